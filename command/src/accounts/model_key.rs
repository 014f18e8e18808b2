//! The key that someone brought for a language model. It is sealed with the installation's secret, to the
//! person whose it is, and opened only when that person asks.

use chrono::{DateTime, Utc};
use weir_events::UserId;
use weir_infra::{
    auth::SigningKey,
    http::{Code, Problem},
    llm::Key,
    postgres::Pool,
    seal::Seal,
};

/// Where an own key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// To the model that the installation configured.
    Installation,
    /// To OpenAI.
    OpenAi,
    /// To Anthropic.
    Anthropic,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Installation, Self::OpenAi, Self::Anthropic];

    /// As in JSON and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// By its word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == word)
    }
}

/// The model that someone brought a key for. `Debug` does not show the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnModel {
    /// Where the key goes.
    pub provider: Provider,
    /// Which model there; `None` for the installation's.
    pub model: Option<String>,
    /// The key.
    pub key: Key,
}

/// People's own keys. Clones share the pool.
#[derive(Debug, Clone)]
pub struct ModelKeys {
    pool: Pool,
    seal: Seal,
}

impl ModelKeys {
    /// In that database, sealed under the installation's secret.
    pub fn new(pool: Pool, key: &SigningKey) -> Self {
        Self { pool, seal: Seal::new(key, "accounts: keys of language models") }
    }

    /// Someone's own model, if they brought one.
    ///
    /// # Errors
    /// When the database does not answer, or 409 where the key was sealed under another secret.
    pub async fn of(&self, user: UserId) -> Result<Option<OwnModel>, Problem> {
        let client = self.pool.get().await?;
        let statement = client
            .prepare_cached("SELECT provider, model, sealed_key FROM accounts.model_keys WHERE user_id = $1")
            .await?;
        let Some(row) = client.query_opt(&statement, &[&user.0]).await? else { return Ok(None) };
        let (provider, sealed): (&str, &[u8]) = (row.try_get(0)?, row.try_get(2)?);
        let provider = Provider::of(provider).ok_or_else(|| Problem::internal("a provider is unknown"))?;
        let opened = self.seal.open(user.0.as_bytes(), sealed);
        let key = opened.and_then(|bytes| Key::new(&String::from_utf8(bytes).ok()?).ok()).ok_or_else(|| {
            let detail = "Your key for a language model cannot be opened any more, because the installation's secret \
                          was changed. Send it again, or delete it.";
            Problem::new(Code::ModelKeyUnreadable, detail)
        })?;
        Ok(Some(OwnModel { provider, model: row.try_get(1)?, key }))
    }

    /// Keeps someone's own model, in place of an earlier one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put(&self, user: UserId, own: &OwnModel, now: DateTime<Utc>) -> Result<(), Problem> {
        let sealed =
            self.seal.seal(user.0.as_bytes(), own.key.reveal().as_bytes()).map_err(Problem::internal)?;
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/put_model_key.sql")).await?;
        let provider = own.provider.as_str();
        client.execute(&statement, &[&user.0, &provider, &own.model, &sealed, &now]).await?;
        Ok(())
    }

    /// Forgets someone's own model; nothing happens where there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete(&self, user: UserId) -> Result<(), Problem> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached("DELETE FROM accounts.model_keys WHERE user_id = $1").await?;
        client.execute(&statement, &[&user.0]).await?;
        Ok(())
    }
}
