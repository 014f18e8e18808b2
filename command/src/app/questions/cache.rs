//! Answers of models, for a week: the same model that is told the same things is not asked again.
//!
//! What is kept is what came of a question, not every word that was said: SQL that fitted. A tier that
//! processes share can stand behind [`Tier`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use weir_events::WorkspaceId;
use weir_infra::llm::Message;

use super::models::Chosen;

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What an answer takes besides its bytes, about.
const OVERHEAD: usize = 200;

/// What an answer depends on, as SHA-256.
pub type Key = [u8; 32];

/// Where answers are kept. One that fails has nothing and keeps nothing: slower, never wrong.
#[async_trait]
pub trait Tier: Send + Sync {
    /// What is kept under a key.
    async fn get(&self, key: &Key) -> Option<Bytes>;
    /// Keeps something for [`KEPT`], or less where there is no room.
    async fn put(&self, key: Key, value: Bytes);
}

/// The memory of this process.
struct Memory(moka::future::Cache<Key, Bytes>);

#[async_trait]
impl Tier for Memory {
    async fn get(&self, key: &Key) -> Option<Bytes> {
        self.0.get(key).await
    }

    async fn put(&self, key: Key, value: Bytes) {
        self.0.insert(key, value).await;
    }
}

/// The answers of models. Clones share them.
#[derive(Clone)]
pub(crate) struct Answers(Arc<dyn Tier>);

impl Answers {
    /// In memory, at most so many bytes.
    pub(crate) fn in_memory(bytes: u64) -> Self {
        let weight =
            |_: &Key, value: &Bytes| u32::try_from(value.len().saturating_add(OVERHEAD)).unwrap_or(u32::MAX);
        Self(Arc::new(Memory(
            moka::future::Cache::builder().max_capacity(bytes).weigher(weight).time_to_live(KEPT).build(),
        )))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        serde_json::from_slice(&self.0.get(key).await?).ok()
    }

    pub(crate) async fn put<T: Serialize>(&self, key: Key, value: &T) {
        if let Ok(bytes) = serde_json::to_vec(value) {
            self.0.put(key, bytes.into()).await;
        }
    }
}

/// The key of an answer: the workspace, whose key pays where it is not the installation's, the model and
/// everything that it is told.
pub(crate) fn key(workspace: WorkspaceId, chosen: &Chosen, messages: &[Message]) -> Key {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(workspace.0.as_bytes());
    part(chosen.own.map(|user| *user.0.as_bytes()).as_ref().map_or(&[], |bytes| &bytes[..]));
    part(chosen.model.dialect().as_str().as_bytes());
    part(chosen.model.address().as_bytes());
    part(chosen.model.name().as_bytes());
    for message in messages {
        part(message.role.as_str().as_bytes());
        part(message.text.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_events::UserId;
    use weir_infra::llm::{Client, Config, Dialect, Model, Role};

    use super::*;

    #[test]
    fn everything_that_an_answer_depends_on_is_in_its_key() {
        let client = Client::new().unwrap();
        let chosen = |dialect, url: &str, model: &str, own: Option<u128>| Chosen {
            model: Model::new(
                &client,
                Config {
                    dialect,
                    base_url: url.to_owned(),
                    key: None,
                    model: model.to_owned(),
                    timeout: KEPT,
                },
            )
            .unwrap(),
            own: own.map(|id| UserId(Uuid::from_u128(id))),
        };
        let said = |role, text: &str| vec![Message::new(role, text)];
        let base = chosen(Dialect::OpenAi, "http://a/", "m", None);
        let asked = said(Role::User, "q");
        let (ada, eve) = (WorkspaceId(Uuid::from_u128(1)), WorkspaceId(Uuid::from_u128(2)));
        let keys = [
            key(ada, &base, &asked),
            key(eve, &base, &asked),
            key(ada, &base, &said(Role::User, "r")),
            key(ada, &base, &said(Role::System, "q")),
            key(ada, &chosen(Dialect::OpenAi, "http://a/", "n", None), &asked),
            key(ada, &chosen(Dialect::OpenAi, "http://b/", "m", None), &asked),
            key(ada, &chosen(Dialect::Anthropic, "http://a/", "m", None), &asked),
            key(ada, &chosen(Dialect::OpenAi, "http://a/", "m", Some(1)), &asked),
            key(ada, &chosen(Dialect::OpenAi, "http://a/", "m", Some(2)), &asked),
        ];
        for (n, one) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(one), "{n}");
        }
        assert_eq!(keys[0], key(ada, &chosen(Dialect::OpenAi, "http://a/", "m", None), &asked));
    }

    #[tokio::test]
    async fn what_is_too_much_is_not_kept() {
        let answers = Answers::in_memory(1_000);
        answers.put([1; 32], &"small").await;
        assert_eq!(answers.get::<String>(&[1; 32]).await.as_deref(), Some("small"));
        answers.put([2; 32], &"x".repeat(2_000)).await;
        assert_eq!(answers.get::<String>(&[3; 32]).await, None);
    }
}
