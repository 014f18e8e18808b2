//! Access tokens: JSON Web Tokens, HS256.

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_events::{UserId, WorkspaceId};

use super::SigningKey;

/// How long an access token is valid.
pub const ACCESS_TOKEN_TTL: TimeDelta = TimeDelta::minutes(30);

/// How far clocks of two machines may be apart, in seconds.
const LEEWAY: i64 = 30;

/// A login and everything refreshed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        s.parse().map(Self)
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The person.
    pub sub: UserId,
    /// Their personal workspace, which they own.
    pub workspace: WorkspaceId,
    /// The login that it comes from.
    pub sid: SessionId,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

impl Claims {
    /// Whether it is their time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn hold(&self, now: DateTime<Utc>) -> Result<(), TokenError> {
        if self.exp <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        if self.iat > now.timestamp() + LEEWAY {
            return Err(TokenError::Invalid);
        }
        Ok(())
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours, or changed.
    #[error("the token is not valid")]
    Invalid,
    /// It was one of ours and has ended.
    #[error("the token has expired")]
    Expired,
}

/// Issues and verifies access tokens.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl Tokens {
    /// Tokens under a key derived from the installation's.
    pub fn new(key: &SigningKey) -> Self {
        let key = key.derive("access tokens");
        let mut validation = Validation::new(Algorithm::HS256);
        // Checked in `verify`, against the time that is passed in.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
        }
    }

    /// A token for 30 minutes, and when it ends.
    ///
    /// # Errors
    /// When the claims cannot be signed, which no input brings about.
    pub fn issue(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), jsonwebtoken::errors::Error> {
        let iat = now.timestamp();
        let exp = iat + ACCESS_TOKEN_TTL.num_seconds();
        let claims = Claims { sub: user, workspace, sid: session, iat, exp };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?;
        Ok((token, DateTime::from_timestamp(exp, 0).unwrap_or(now + ACCESS_TOKEN_TTL)))
    }

    /// What a token says.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(|e| {
            match e.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            }
        })?;
        data.claims.hold(now)?;
        Ok(data.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> Tokens {
        Tokens::new(&SigningKey::from_bytes([byte; 32]).unwrap())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn lasts_thirty_minutes() {
        let (user, workspace) = (UserId(Uuid::from_u128(1)), WorkspaceId(Uuid::from_u128(2)));
        let session = SessionId(Uuid::from_u128(3));
        let (token, expires) = tokens(1).issue(user, workspace, session, at(0)).unwrap();
        assert_eq!(expires, at(30 * 60));
        let claims = tokens(1).verify(&token, at(30 * 60 - 1)).unwrap();
        assert_eq!((claims.sub, claims.workspace, claims.sid), (user, workspace, session));
        assert_eq!(tokens(1).verify(&token, at(30 * 60)), Err(TokenError::Expired));
        assert_eq!(tokens(1).verify(&token, at(-60)), Err(TokenError::Invalid));
        assert_eq!(tokens(2).verify(&token, at(0)), Err(TokenError::Invalid));
    }

    #[test]
    fn what_was_changed_or_signed_otherwise_is_refused() {
        let ids = (UserId(Uuid::nil()), WorkspaceId(Uuid::nil()), SessionId(Uuid::nil()));
        let (token, _) = tokens(1).issue(ids.0, ids.1, ids.2, at(0)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
        let swapped = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
        for bad in [unsigned.as_str(), swapped.as_str(), "", "a.b.c", "weir"] {
            assert_eq!(tokens(1).verify(bad, at(0)), Err(TokenError::Invalid), "{bad}");
        }
    }
}
