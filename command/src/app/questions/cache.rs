//! Answers of models: the same model that is told the same things is not asked again.
//!
//! What is kept is what came of a question, not every word that was said: SQL that fitted. It is kept in the
//! memory of the process, and in what processes share. A tier that fails has nothing: slower, never wrong.

use std::time::Duration;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use weir_events::WorkspaceId;
use weir_infra::{
    cache::{Key, Namespace, Shared},
    llm::Message,
};

use super::models::Chosen;

/// What an answer takes besides its bytes, about.
const OVERHEAD: usize = 200;

/// The answers of models. Clones share them.
#[derive(Clone)]
pub(super) struct Answers {
    memory: moka::future::Cache<Key, Bytes>,
    shared: Shared,
}

impl Answers {
    /// In memory at most so many bytes, each for so long; and in what processes share, for as long as is said
    /// there.
    pub(super) fn new(bytes: u64, kept: Duration, shared: Shared) -> Self {
        let weight =
            |_: &Key, value: &Bytes| u32::try_from(value.len().saturating_add(OVERHEAD)).unwrap_or(u32::MAX);
        let memory = moka::future::Cache::builder().max_capacity(bytes).weigher(weight).time_to_live(kept);
        Self { memory: memory.build(), shared }
    }

    /// What came of it before. What has another shape by now is none.
    pub(super) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        if let Some(kept) = self.memory.get(key).await {
            return serde_json::from_slice(&kept).ok();
        }
        let shared = self.shared.get(Namespace::Llm, key).await?;
        let value = serde_json::from_slice(&shared).ok()?;
        self.memory.insert(*key, shared).await;
        Some(value)
    }

    /// Forgets what is in memory.
    pub(super) fn clear(&self) {
        self.memory.invalidate_all();
    }

    /// Keeps what came of it.
    pub(super) async fn put<T: Serialize>(&self, key: Key, value: &T) {
        if let Ok(bytes) = serde_json::to_vec(value) {
            self.memory.insert(key, bytes.clone().into()).await;
            self.shared.put(Namespace::Llm, &key, bytes).await;
        }
    }
}

/// The key of an answer: the workspace, whose key pays where it is not the installation's, the model and
/// everything that it is told.
pub(super) fn key(workspace: WorkspaceId, chosen: &Chosen, messages: &[Message]) -> Key {
    let begun = Key::of(workspace)
        .part(chosen.own.map(|user| *user.0.as_bytes()).as_ref().map_or(&[], |bytes| &bytes[..]))
        .part(chosen.model.dialect().as_str().as_bytes())
        .part(chosen.model.address().as_bytes())
        .part(chosen.model.name().as_bytes());
    let told = messages.iter().fold(begun, |content, message| {
        content.part(message.role.as_str().as_bytes()).part(message.text.as_bytes())
    });
    told.key()
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use uuid::Uuid;
    use weir_events::UserId;
    use weir_infra::{
        auth::SigningKey,
        cache::Options,
        llm::{Client, Config, Dialect, Model, Role},
        testing::Redis,
    };

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
                    timeout: Duration::from_secs(1),
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
    async fn what_is_too_much_or_too_old_is_not_kept() {
        let [one, two, three] = [1_u128, 2, 3].map(|id| Key::of(WorkspaceId(Uuid::from_u128(id))).key());
        let answers = Answers::new(1_000, Duration::from_secs(60), Shared::off());
        answers.put(one, &"small").await;
        assert_eq!(answers.get::<String>(&one).await.as_deref(), Some("small"));
        answers.put(two, &"x".repeat(2_000)).await;
        answers.memory.run_pending_tasks().await;
        assert_eq!(answers.get::<String>(&two).await, None);
        assert_eq!(answers.get::<String>(&three).await, None);
        assert_eq!(answers.get::<u64>(&one).await, None, "another shape");

        let none = Answers::new(1_000, Duration::ZERO, Shared::off());
        none.put(one, &"small").await;
        assert_eq!(none.get::<String>(&one).await, None);
    }

    #[tokio::test]
    async fn what_one_process_was_answered_the_others_know() {
        let Some(redis) = Redis::start().await else { return };
        let process = async || {
            let patient = Options { wait: Duration::from_secs(30), ..Options::default() };
            let secret = SigningKey::from_bytes([7; 32]).unwrap();
            let shared = Shared::open(redis.url(), &secret, patient, &Registry::new()).unwrap();
            assert!(shared.connected().await);
            Answers::new(1_000, Duration::from_secs(60), shared)
        };
        let (ours, theirs) = (process().await, process().await);
        let key = Key::of(WorkspaceId(Uuid::from_u128(1))).key();
        ours.put(key, &"said").await;
        assert_eq!(theirs.get::<String>(&key).await.as_deref(), Some("said"));
        drop(redis);
        assert_eq!(theirs.get::<String>(&key).await.as_deref(), Some("said"), "from memory by now");
        let lost = Key::of(WorkspaceId(Uuid::from_u128(2))).key();
        theirs.put(lost, &"kept all the same").await;
        assert_eq!(theirs.get::<String>(&lost).await.as_deref(), Some("kept all the same"));
    }
}
