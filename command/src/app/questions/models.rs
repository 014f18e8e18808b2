//! Which model answers whom: the installation's, or the one that someone brought a key for.
//!
//! Nobody but the operator says where a model is. Someone's own key goes to the installation's model or to
//! one of the providers whose addresses are known here: an address of their choice would be a door to
//! whatever this machine can reach.

use std::time::Duration;

use weir_events::UserId;
use weir_infra::{
    http::{Code, Problem},
    llm::{Client, Config, ConfigError, Dialect, Model},
};

use crate::accounts::model_key::{ModelKeys, OwnModel};

pub use crate::accounts::model_key::Provider;

/// The models that there are. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Models {
    client: Client,
    time: Duration,
    house: Option<Model>,
    keys: Option<ModelKeys>,
    own_providers: bool,
}

/// A model that answers someone.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) model: Model,
    /// Whose key it is, where it is not the installation's. Nobody else gets anything by it.
    pub(crate) own: Option<UserId>,
}

impl Models {
    /// None yet. `time` is how long one call of someone's own may take.
    pub fn new(client: Client, time: Duration) -> Self {
        Self { client, time, house: None, keys: None, own_providers: true }
    }

    /// With the installation's model.
    ///
    /// # Errors
    /// When its address or name is none.
    pub fn with_house(mut self, config: Config) -> Result<Self, ConfigError> {
        self.house = Some(Model::new(&self.client, config)?);
        Ok(self)
    }

    /// With people's own keys, which may go to the installation's model, and, where `providers` says so,
    /// to OpenAI and Anthropic.
    #[must_use]
    pub fn with_keys(self, keys: ModelKeys, providers: bool) -> Self {
        Self { keys: Some(keys), own_providers: providers, ..self }
    }

    /// The installation's model.
    pub fn house(&self) -> Option<&Model> {
        self.house.as_ref()
    }

    /// People's own keys, where they are kept.
    ///
    /// # Errors
    /// 501 in a process that keeps none.
    pub fn keys(&self) -> Result<&ModelKeys, Problem> {
        self.keys.as_ref().ok_or_else(|| self.not_configured())
    }

    /// Whether an own key can be used like that.
    ///
    /// # Errors
    /// 422 where the provider cannot be chosen here, or the model's name is missing or none.
    pub fn check(&self, own: &OwnModel) -> Result<(), Problem> {
        self.own(own).map(|_| ())
    }

    /// The model that answers someone.
    pub(crate) async fn of(&self, user: UserId) -> Result<Chosen, Problem> {
        if let Some(keys) = &self.keys
            && let Some(own) = keys.of(user).await?
        {
            return Ok(Chosen { model: self.own(&own)?, own: Some(user) });
        }
        let house = self.house.clone().ok_or_else(|| self.not_configured())?;
        Ok(Chosen { model: house, own: None })
    }

    fn own(&self, own: &OwnModel) -> Result<Model, Problem> {
        let config = |dialect: Dialect, base_url: String, model: String| Config {
            dialect,
            base_url,
            key: Some(own.key.clone()),
            model,
            timeout: self.time,
        };
        let public = |dialect: Dialect| {
            if !self.own_providers {
                let detail = "This installation does not let keys of one's own go to providers outside.";
                return Err(Problem::invalid("provider", "not_allowed", detail));
            }
            let model = own.model.clone().ok_or_else(|| {
                Problem::invalid("model", "missing", "Say which of the provider's models is to answer.")
            })?;
            Ok(config(dialect, dialect.public_url().to_owned(), model))
        };
        let config = match own.provider {
            Provider::OpenAi => public(Dialect::OpenAi)?,
            Provider::Anthropic => public(Dialect::Anthropic)?,
            Provider::Installation => {
                let house = self.house.as_ref().ok_or_else(|| {
                    let detail = "This installation has no model of its own; choose a provider.";
                    Problem::invalid("provider", "not_configured", detail)
                })?;
                let model = own.model.clone().unwrap_or_else(|| house.name().to_owned());
                Config { key: Some(own.key.clone()), model, ..house.config().clone() }
            }
        };
        Model::new(&self.client, config)
            .map_err(|e| Problem::invalid("model", "not_a_model", format!("This cannot be used: {e}.")))
    }

    fn not_configured(&self) -> Problem {
        let own = if self.keys.is_some() && self.own_providers {
            " Or bring a key of your own: PUT /api/v1/me/model."
        } else {
            ""
        };
        let detail = format!(
            "No language model is configured. Whoever runs this installation sets model_name, and model_url or \
             model_key (WEIR_MODEL_NAME, WEIR_MODEL_URL, WEIR_MODEL_KEY).{own} SQL can be asked without one."
        );
        Problem::new(Code::ModelNotConfigured, detail)
    }
}

#[cfg(test)]
mod tests {
    use weir_infra::llm::Key;

    use super::*;

    fn models() -> Models {
        Models::new(Client::new().unwrap(), Duration::from_secs(1))
    }

    fn with_house() -> Models {
        let config = Config {
            dialect: Dialect::OpenAi,
            base_url: "http://127.0.0.1:1/v1?api-version=7".to_owned(),
            key: Some(Key::new("the-house-key").unwrap()),
            model: "house-model".to_owned(),
            timeout: Duration::from_secs(1),
        };
        models().with_house(config).unwrap()
    }

    fn own(provider: Provider, model: Option<&str>) -> OwnModel {
        OwnModel { provider, model: model.map(str::to_owned), key: Key::new("my-own-key-1234").unwrap() }
    }

    #[test]
    fn an_own_key_goes_where_the_operator_or_a_known_provider_is() {
        let model = with_house().own(&own(Provider::Installation, None)).unwrap();
        assert_eq!(
            (model.name(), model.address().as_str()),
            ("house-model", "http://127.0.0.1:1/v1/chat/completions")
        );
        assert_eq!(model.config().key.as_ref().unwrap().reveal(), "my-own-key-1234");
        let model = models().own(&own(Provider::OpenAi, Some("x"))).unwrap();
        assert_eq!(model.address(), "https://api.openai.com/v1/chat/completions");
        let model = models().own(&own(Provider::Anthropic, Some("x"))).unwrap();
        assert_eq!(model.address(), "https://api.anthropic.com/v1/messages");
    }

    #[test]
    fn what_cannot_be_chosen_is_refused_by_its_field() {
        let refused = |models: &Models, own: &OwnModel| models.check(own).unwrap_err().to_string();
        assert!(refused(&models(), &own(Provider::Installation, None)).contains("no model of its own"));
        assert!(refused(&models(), &own(Provider::OpenAi, None)).contains("which of the provider's models"));
        assert!(refused(&models(), &own(Provider::OpenAi, Some(" "))).contains("name"));
        let closed = Models { own_providers: false, ..with_house() };
        assert!(refused(&closed, &own(Provider::Anthropic, Some("x"))).contains("outside"));
        assert!(closed.check(&own(Provider::Installation, Some("x"))).is_ok());
    }

    #[tokio::test]
    async fn nothing_configured_says_what_to_configure() {
        let user = UserId(uuid::Uuid::nil());
        let problem = models().of(user).await.unwrap_err();
        assert_eq!(problem.code(), Code::ModelNotConfigured);
        for word in ["model_name", "WEIR_MODEL_URL", "WEIR_MODEL_KEY"] {
            assert!(problem.detail().contains(word), "{problem}");
        }
        assert!(with_house().of(user).await.unwrap().own.is_none());
    }
}
