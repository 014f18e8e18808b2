//! Language models over HTTP, in two dialects: the chat form that OpenAI began and many servers speak,
//! and Anthropic's own.
//!
//! - [`Client`]: connections and trust, one for a process. [`Model`]: one model at one address.
//! - [`Message`] goes in, [`Reply`] comes out; every way in which it can fail is an [`Error`].
//! - [`Key`]: what opens a provider's door. It is never shown.
//!
//! A call is bounded in time and in bytes, is not repeated, and ends when its future is dropped. No
//! redirect is followed: an address that leads elsewhere would carry the key along. The proxy that the
//! environment names (`HTTPS_PROXY`, `NO_PROXY`) is used, since many houses have no other way out, save
//! for addresses of this machine.
//!
//! Deliberately absent: what is asked, and whose key is used for whom.

mod client;
mod key;
mod retry;
mod wire;

use std::{fmt, time::Duration};

use reqwest::Url;

pub use crate::tls::SetupError;
pub use client::Client;
pub use key::{InvalidKey, Key};

/// The largest reply that is read, in bytes.
pub const REPLY_BYTES: usize = 1 << 20;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST <base>/chat/completions`, as OpenAI, Azure, Ollama, vLLM and llama.cpp have it.
    OpenAi,
    /// `POST <base>/v1/messages`, as Anthropic has it.
    Anthropic,
}

impl Dialect {
    /// As in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The address of the provider who made it.
    pub fn public_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
        }
    }
}

impl std::str::FromStr for Dialect {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            other => Err(format!("`{other}` is not a dialect: there are openai and anthropic")),
        }
    }
}

/// One model at one address.
#[derive(Debug, Clone)]
pub struct Config {
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Where: the part of the address that all calls share, such as `http://127.0.0.1:11434/v1`. What
    /// stands after a `?` is kept, as Azure's `api-version`.
    pub base_url: String,
    /// What opens the door, where there is one.
    pub key: Option<Key>,
    /// The model's name there.
    pub model: String,
    /// How long one call may take, from connecting to the reply's last byte.
    pub timeout: Duration,
}

impl Config {
    /// Whether a model can be made from it.
    ///
    /// # Errors
    /// When the address or the name is none.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.base().map(|_| ())
    }

    fn base(&self) -> Result<Url, ConfigError> {
        let name = self.model.trim();
        if name.is_empty() || name.chars().count() > MODEL_MAX || name.chars().any(char::is_control) {
            return Err(ConfigError::Model);
        }
        let base = Url::parse(self.base_url.trim()).map_err(|_| ConfigError::Address)?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
            return Err(ConfigError::Address);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ConfigError::Secret);
        }
        Ok(base)
    }
}

/// What is wrong with a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No address, or one of another kind.
    #[error("the address is not one that begins with http:// or https://")]
    Address,
    /// The address has a user or password in it, which would be shown wherever it is.
    #[error("the address has a user or password in it; the key belongs into a setting of its own")]
    Secret,
    /// The model has no name.
    #[error("the model's name is empty or longer than {} characters", MODEL_MAX)]
    Model,
}

/// The longest name of a model, in characters.
pub const MODEL_MAX: usize = 200;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The rules of the conversation.
    System,
    /// Whoever asks.
    User,
    /// The model, earlier in the conversation.
    Assistant,
}

impl Role {
    /// As both dialects have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// What.
    pub text: String,
}

impl Message {
    /// One thing that is said.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// Tokens that it read, where the provider counts them.
    pub read: u64,
    /// Tokens that it wrote.
    pub written: u64,
}

/// Why there is no reply. Nothing that a provider wrote is in it but a code of a few letters: what
/// providers write may show parts of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It took longer than it may.
    #[error("the model did not answer in time")]
    Timeout,
    /// The provider has no room for the call now: it answered 429, 503 or 529.
    #[error("the model's provider takes no more calls at the moment")]
    Limited {
        /// When to try again, where the provider says so.
        retry_after: Option<Duration>,
    },
    /// The provider answered with another status than 200.
    #[error("the model's provider answered {status}{}", reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default())]
    Refused {
        /// The status.
        status: u16,
        /// The provider's own code, such as `model_not_found`, where it has the form of one.
        reason: Option<String>,
    },
    /// The answer is not one of the dialect's, or is too large.
    #[error("the model's answer cannot be read: {0}")]
    Malformed(&'static str),
    /// The provider cannot be reached, or the connection broke.
    #[error("the model's provider cannot be reached: {0}")]
    Unreachable(String),
}

/// A model that can be asked. Clones share the connections.
#[derive(Clone)]
pub struct Model {
    client: Client,
    config: Config,
    url: Url,
    models: Url,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Model {
    /// Over a process's connections. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or the name is none.
    pub fn new(client: &Client, config: Config) -> Result<Self, ConfigError> {
        let base = config.base()?;
        let (url, models) = match config.dialect {
            Dialect::OpenAi => (below(&base, "chat/completions"), below(&base, "models")),
            Dialect::Anthropic if base.path().trim_end_matches('/').ends_with("/v1") => {
                (below(&base, "messages"), below(&base, "models"))
            }
            Dialect::Anthropic => (below(&base, "v1/messages"), below(&base, "v1/models")),
        };
        let config = Config { model: config.model.trim().to_owned(), ..config };
        Ok(Self { client: client.clone(), config, url, models })
    }

    /// How it is spoken to.
    pub fn dialect(&self) -> Dialect {
        self.config.dialect
    }

    /// How and where it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.model
    }

    /// Where it is, for people: without what stands after a `?`.
    pub fn address(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.into()
    }

    /// Lets the model go on with a conversation.
    ///
    /// # Errors
    /// See [`Error`]. The call is not repeated.
    pub async fn complete(&self, messages: &[Message]) -> Result<Reply, Error> {
        let body = wire::request(self.config.dialect, &self.config.model, messages);
        let bytes = self.within(self.client.post(&self.config, &self.url, body)).await?;
        wire::reply(self.config.dialect, &bytes)
    }

    /// Whether the provider answers and takes the key. No model is asked anything, so that it costs nothing.
    ///
    /// # Errors
    /// When it does not answer, or refuses the key. A provider that has no list of models is fine.
    pub async fn probe(&self) -> Result<(), Error> {
        match self.within(self.client.get(&self.config, &self.models)).await {
            Err(e @ Error::Refused { status: 401 | 403, .. }) => Err(e),
            Ok(_) | Err(Error::Refused { .. } | Error::Malformed(_) | Error::Limited { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn within(&self, call: impl Future<Output = Result<Vec<u8>, Error>>) -> Result<Vec<u8>, Error> {
        tokio::time::timeout(self.config.timeout, call).await.map_err(|_| Error::Timeout)?
    }
}

/// An address below another, whose query stays.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(dialect: Dialect, base_url: &str) -> Result<Model, ConfigError> {
        let config = Config {
            dialect,
            base_url: base_url.to_owned(),
            key: Some(Key::new("sk-secret-value").unwrap()),
            model: " small ".to_owned(),
            timeout: Duration::from_secs(1),
        };
        Model::new(&Client::new().unwrap(), config)
    }

    #[test]
    fn addresses_are_those_of_the_providers() {
        let url = |dialect, base| model(dialect, base).unwrap().url.to_string();
        for (base, whole) in [
            (Dialect::OpenAi.public_url(), "https://api.openai.com/v1/chat/completions"),
            ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/chat/completions"),
            (
                "https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
                "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            ),
        ] {
            assert_eq!(url(Dialect::OpenAi, base), whole);
        }
        for base in [Dialect::Anthropic.public_url(), "https://api.anthropic.com/v1"] {
            assert_eq!(url(Dialect::Anthropic, base), "https://api.anthropic.com/v1/messages");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for base in ["", "api.openai.com", "file:///etc/passwd", "ftp://x/"] {
            assert_eq!(model(Dialect::OpenAi, base).unwrap_err(), ConfigError::Address, "{base}");
        }
        assert_eq!(model(Dialect::OpenAi, "https://u:p@x/v1").unwrap_err(), ConfigError::Secret);
        let config = Config { model: "  ".to_owned(), ..model(Dialect::OpenAi, "http://x").unwrap().config };
        assert_eq!(Model::new(&Client::new().unwrap(), config).unwrap_err(), ConfigError::Model);
    }

    #[test]
    fn the_key_is_never_shown() {
        let model = model(Dialect::OpenAi, "https://x/v1?api-key=hidden").unwrap();
        assert!(!format!("{model:?}").contains("secret"), "{model:?}");
        assert_eq!((model.name(), model.address().as_str()), ("small", "https://x/v1/chat/completions"));
    }
}
