//! Sessions: a login and everything refreshed from it. A refresh token is used once; one that
//! comes a second time was stolen at some point, by whoever came first or second, so the whole
//! session ends.

#![expect(
    clippy::disallowed_methods,
    reason = "secrets are made here, and a session is never derived from a key"
)]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_events::Position;
use weir_infra::{
    auth::{SessionId, hash_secret},
    http::{Code, Problem, RequestContext},
};

use super::{
    Accounts, User,
    user::{COLUMNS, Record},
};

/// What a person gets who proved who they are.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who they are.
    pub user: User,
    /// For requests, for 30 minutes.
    pub access_token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// For the next pair of tokens, once.
    pub refresh_token: String,
    /// Where the log has their personal workspace.
    pub position: Position,
}

fn refused() -> Problem {
    Problem::new(Code::RefreshTokenInvalid, "The refresh token is not valid any more; log in.")
}

/// A refresh token as its holder has it.
fn refresh_token(entropy: [u8; 32]) -> String {
    format!("wrt_{}", URL_SAFE_NO_PAD.encode(entropy))
}

impl Accounts {
    pub(super) async fn begin_session(
        &self,
        user: User,
        position: Position,
        request: &RequestContext,
    ) -> Result<SignedIn, Problem> {
        let session = SessionId(Uuid::now_v7());
        let refresh = refresh_token(rand::random());
        let hash = hash_secret(&refresh);
        let expires = request.now + self.0.options.refresh_ttl;
        let client = self.0.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/begin_session.sql")).await?;
        client.execute(&statement, &[&session.0, &user.id.0, &&hash[..], &request.now, &expires]).await?;
        drop(client);
        self.signed_in(user, position, session, refresh, request.now)
    }

    fn signed_in(
        &self,
        user: User,
        position: Position,
        session: SessionId,
        refresh_token: String,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, Problem> {
        let tokens = self.0.authenticator.tokens();
        let (access_token, expires_at) =
            tokens.issue(user.id, user.workspace, session, now).map_err(Problem::internal)?;
        Ok(SignedIn { user, access_token, expires_at, refresh_token, position })
    }

    /// Trades a refresh token for a new pair of tokens.
    ///
    /// # Errors
    /// 401 `refresh_token_invalid`; where the token had been used before, its session has ended.
    pub async fn refresh(&self, token: &str, request: &RequestContext) -> Result<SignedIn, Problem> {
        let hash = hash_secret(token);
        let next = refresh_token(self.entropy(request.idempotency.as_ref(), "refresh"));
        let next_hash = hash_secret(&next);
        let now = request.now;

        let mut client = self.0.pool.get().await?;
        let tx = client.transaction().await?;
        let sql = format!(
            "SELECT t.session_id, t.expires_at, t.used_at IS NOT NULL, s.revoked_at IS NOT NULL, {COLUMNS}
             FROM accounts.refresh_tokens t
             JOIN accounts.sessions s ON s.id = t.session_id
             JOIN accounts.users u ON u.id = s.user_id
             WHERE t.hash = $1
             FOR UPDATE OF t, s"
        );
        let statement = tx.prepare_cached(&sql).await?;
        let Some(row) = tx.query_opt(&statement, &[&&hash[..]]).await? else { return Err(refused()) };
        let session = SessionId(row.try_get(0)?);
        let expires: DateTime<Utc> = row.try_get(1)?;
        let (used, revoked): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
        let record = Record::read(&row, 4)?;
        if revoked || expires <= now {
            return Err(refused());
        }
        if used {
            // A repetition of the keyed request that used it, which got no answer, is no theft:
            // it derives the very token that was made then, and nobody has used that one.
            let statement = tx
                .prepare_cached(
                    "SELECT 1 FROM accounts.refresh_tokens
                     WHERE hash = $1 AND session_id = $2 AND used_at IS NULL",
                )
                .await?;
            if tx.query_opt(&statement, &[&&next_hash[..], &session.0]).await?.is_none() {
                let statement = tx.prepare_cached(REVOKE).await?;
                tx.execute(&statement, &[&session.0, &now]).await?;
                tx.commit().await?;
                self.0.authenticator.revocations().revoke_session(session, now);
                tracing::warn!(user = %record.user.id, %session, "a refresh token came twice; its session was ended");
                return Err(refused());
            }
        } else {
            let expires = now + self.0.options.refresh_ttl;
            let statement = tx.prepare_cached(include_str!("sql/rotate.sql")).await?;
            tx.execute(&statement, &[&&hash[..], &&next_hash[..], &session.0, &now, &expires]).await?;
        }
        tx.commit().await?;
        drop(client);
        let position = self.settle(&record, request).await?.position;
        self.signed_in(record.user, position, session, next, now)
    }

    /// Ends the session of a refresh token. One that is not known has no session to end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn logout(&self, token: &str, now: DateTime<Utc>) -> Result<(), Problem> {
        let hash = hash_secret(token);
        let client = self.0.pool.get().await?;
        let statement =
            client.prepare_cached("SELECT session_id FROM accounts.refresh_tokens WHERE hash = $1").await?;
        let Some(row) = client.query_opt(&statement, &[&&hash[..]]).await? else { return Ok(()) };
        let session = SessionId(row.try_get(0)?);
        drop(client);
        self.end_session(session, now).await
    }

    /// Ends a session: its access and refresh tokens are refused from now on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_session(&self, session: SessionId, now: DateTime<Utc>) -> Result<(), Problem> {
        let client = self.0.pool.get().await?;
        let statement = client.prepare_cached(REVOKE).await?;
        client.execute(&statement, &[&session.0, &now]).await?;
        self.0.authenticator.revocations().revoke_session(session, now);
        Ok(())
    }
}

const REVOKE: &str = "UPDATE accounts.sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
