//! Against a real server that is killed, frozen, filled up and lied to.

use std::{collections::HashMap, net::Ipv4Addr};

use proptest::prelude::*;
use uuid::Uuid;
use weir_events::WorkspaceId;

use super::*;
use crate::{auth::SigningKey, metrics, testing::Redis};

/// Longer than anything here may take on a busy machine: what is waited for comes, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The installation's.
fn secret() -> SigningKey {
    SigningKey::from_bytes([7; 32]).unwrap()
}

struct Cache {
    shared: Shared,
    registry: Registry,
}

impl Cache {
    async fn of(redis: &Redis, options: Options) -> Self {
        let registry = metrics::registry();
        let cache =
            Self { shared: Shared::open(redis.url(), &secret(), options, &registry).unwrap(), registry };
        until("it is connected", async || cache.shared.connected().await).await;
        cache
    }

    /// How many looks and writes ended how.
    fn outcomes(&self) -> HashMap<String, u64> {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "weir_shared_cache_seconds");
        let each = family.map(|family| family.get_metric()).unwrap_or_default();
        let outcome = |metric: &prometheus::proto::Metric| {
            let label = metric.get_label().iter().find(|label| label.name() == "outcome").unwrap();
            (label.value().to_owned(), metric.get_histogram().get_sample_count())
        };
        each.iter().map(outcome).collect()
    }

    async fn put(&self, n: u8, value: &[u8]) {
        self.shared.put(Namespace::Results, &key(n), value.to_vec()).await;
    }

    async fn get(&self, n: u8) -> Option<Bytes> {
        self.shared.get(Namespace::Results, &key(n)).await
    }
}

/// Patient, so that a busy machine does not look like a slow server.
fn patient() -> Options {
    Options { connect: PATIENCE, wait: PATIENCE, ..Options::default() }
}

fn key(n: u8) -> Key {
    Key::of(WorkspaceId(Uuid::from_u128(7))).part(&[n]).key()
}

async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

#[tokio::test]
async fn what_is_put_can_be_got_until_its_time_is_over() {
    let Some(redis) = Redis::start().await else { return };
    let ttls = Ttls { llm: Duration::ZERO, ..Options::default().ttls };
    let cache = Cache::of(&redis, Options { ttls, prefix: "a:b".to_owned(), ..patient() }).await;
    assert_eq!(cache.get(1).await, None);
    cache.put(1, b"one").await;
    cache.put(2, b"").await;
    assert_eq!(cache.get(1).await.as_deref(), Some(&b"one"[..]));
    assert_eq!(cache.get(2).await.as_deref(), Some(&b""[..]), "nothing is a value too");
    let name = format!("a:b:results:{}", key(1));
    assert!(redis.keys().await.contains(&name.clone().into_bytes()));
    cache.put(3, b"nobody else reads this").await;
    let name_3 = format!("a:b:results:{}", key(3));
    let there: Vec<u8> = ::redis::from_redis_value(redis.tell(&[b"GET", name_3.as_bytes()]).await).unwrap();
    assert!(there.len() > 22 && memchr::memmem::find(&there, b"reads").is_none());
    let left: u64 = ::redis::from_redis_value(redis.tell(&[b"PTTL", name.as_bytes()]).await).unwrap();
    assert!((1..=3_600_000).contains(&left), "{left}");

    cache.shared.put(Namespace::Llm, &key(1), b"x".to_vec()).await;
    assert_eq!(cache.shared.get(Namespace::Llm, &key(1)).await, None, "none of that kind are shared");
}

#[tokio::test]
async fn what_was_not_written_here_is_a_miss() {
    let Some(redis) = Redis::start().await else { return };
    let cache = Cache::of(&redis, patient()).await;
    let name = |n| format!("weir:results:{}", key(n)).into_bytes();
    cache.put(1, b"one").await;
    let sealed: Vec<u8> = ::redis::from_redis_value(redis.tell(&[b"GET", &name(1)]).await).unwrap();
    // Under another key, cut short, with a bit turned over, of another format, of another program, of another type.
    let mut turned = sealed.clone();
    turned[1] ^= 4;
    let mut newer = sealed.clone();
    *newer.last_mut().unwrap() += 1;
    let others = [&sealed[..], &sealed[1..], &sealed[..sealed.len() - 1], &turned, &newer, b"{\"a\": 1}"];
    for (n, other) in (2..).zip(others) {
        redis.tell(&[b"SET", &name(n), other]).await;
        assert_eq!(cache.get(n).await, None, "{n}");
    }
    assert_eq!(cache.outcomes()["damaged"], 6);
    redis.tell(&[b"LPUSH", &name(20), b"x"]).await;
    assert_eq!(cache.get(20).await, None);
    assert_eq!(cache.outcomes()["error"], 1);
    // One of 16 MiB is not read whole.
    redis.tell(&[b"SETRANGE", &name(21), b"16777216", b"x"]).await;
    assert_eq!(cache.get(21).await, None);
    // All of them are written over.
    cache.put(2, b"two").await;
    assert_eq!(cache.get(2).await.as_deref(), Some(&b"two"[..]));
    assert_eq!(cache.get(1).await.as_deref(), Some(&b"one"[..]), "the server still serves");
}

#[tokio::test]
async fn large_values_stay_here() {
    let Some(redis) = Redis::start().await else { return };
    let cache = Cache::of(&redis, Options { value_bytes: 1_000, ..patient() }).await;
    cache.put(1, &[1; 1_000]).await;
    cache.put(2, &[1; 1_001]).await;
    assert_eq!(cache.get(1).await.unwrap().len(), 1_000);
    assert_eq!(cache.get(2).await, None);
    assert_eq!(cache.outcomes()["too_large"], 1);
    assert!(cache.shared.takes(Namespace::Results, 1_000) && !cache.shared.takes(Namespace::Results, 1_001));
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again() {
    let Some(mut redis) = Redis::start().await else { return };
    let cache = Cache::of(&redis, patient()).await;
    cache.put(1, b"one").await;
    redis.kill().await;
    let begun = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(cache.get(1).await, None);
        cache.put(1, b"one").await;
    }
    assert!(begun.elapsed() < PATIENCE, "nobody waits for it");
    assert!(cache.outcomes()["skipped"] > 1_900, "{:?}", cache.outcomes());
    redis.restart().await;
    until("it serves again", async || {
        cache.put(1, b"again").await;
        cache.get(1).await.as_deref() == Some(b"again")
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_frozen_costs_little_and_then_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let wait = Duration::from_millis(100);
    let cache = Cache::of(&redis, Options { wait, ..patient() }).await;
    until("it answers in time", async || {
        cache.put(1, b"one").await;
        cache.get(1).await.is_some()
    })
    .await;
    redis.freeze();
    let begun = Instant::now();
    let looks = (0..200).map(|_| cache.get(1));
    assert!(futures::future::join_all(looks).await.iter().all(Option::is_none));
    for _ in 0..1_000 {
        assert_eq!(cache.get(1).await, None);
    }
    let outcomes = cache.outcomes();
    // Those at once, and then as many in a row as it takes, twice if a new connection answered its ping before.
    assert!(outcomes["late"] < 210, "{outcomes:?}");
    assert!(outcomes["skipped"] > 900, "{outcomes:?}");
    assert!(begun.elapsed() < wait * 10 + Duration::from_secs(5), "{:?}", begun.elapsed());
    redis.thaw();
    until("it serves again", async || cache.get(1).await.is_some()).await;
}

#[tokio::test]
async fn a_full_server_serves_what_it_has() {
    let Some(redis) = Redis::start().await else { return };
    let cache = Cache::of(&redis, patient()).await;
    cache.put(1, b"one").await;
    redis.tell(&[b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"]).await;
    redis.tell(&[b"CONFIG", b"SET", b"maxmemory", b"1mb"]).await;
    cache.put(2, &[2; 1 << 20]).await;
    cache.put(3, &[3; 1 << 20]).await;
    assert_eq!(cache.get(1).await.as_deref(), Some(&b"one"[..]));
    assert_eq!(cache.get(3).await, None);
    assert!(cache.outcomes()["error"] >= 1, "{:?}", cache.outcomes());
    redis.tell(&[b"FLUSHALL"]).await;
    assert_eq!(cache.get(1).await, None);
}

#[tokio::test]
async fn without_a_server_nothing_is_waited_for() {
    let off = Shared::off();
    off.put(Namespace::Results, &key(1), b"one".to_vec()).await;
    assert_eq!(off.get(Namespace::Results, &key(1)).await, None);
    assert!(!off.connected().await && !off.takes(Namespace::Results, 1));

    // A port that nobody listens on.
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = Options { connect: PATIENCE, ..Options::default() };
    let away =
        Shared::open(&format!("redis://127.0.0.1:{port}"), &secret(), options, &metrics::registry()).unwrap();
    assert_eq!(away.get(Namespace::Results, &key(1)).await, None);
}

#[test]
fn what_makes_no_sense_is_refused_without_telling_the_password() {
    let open = |url: &str, prefix: &str| {
        let options = Options { prefix: prefix.to_owned(), ..Options::default() };
        Shared::open(url, &secret(), options, &metrics::registry()).unwrap_err().to_string()
    };
    let error = open("http://u:geheim@host", "weir");
    assert!(error.starts_with("redis_url: ") && !error.contains("geheim"), "{error}");
    for prefix in ["", "a b", "a\r\nFLUSHALL", &"x".repeat(65)] {
        assert!(open("redis://host", prefix).starts_with("redis_prefix: "));
    }
}

proptest! {
    #[test]
    fn keys_are_of_one_workspace_and_one_content(a: (u128, Vec<Vec<u8>>), b: (u128, Vec<Vec<u8>>)) {
        let key = |(workspace, parts): &(u128, Vec<Vec<u8>>)| {
            let begun = Key::of(WorkspaceId(Uuid::from_u128(*workspace)));
            parts.iter().fold(begun, |content, part| content.part(part)).key()
        };
        prop_assert_eq!(key(&a) == key(&b), a == b);
        prop_assert_eq!(key(&a), key(&a.clone()));
    }
}

#[tokio::test]
async fn a_look_says_what_the_server_is() {
    let Some(mut redis) = Redis::start().await else { return };
    let found = inspect(redis.url(), PATIENCE).await.unwrap();
    assert_eq!((found.policy.as_str(), found.max_memory), ("allkeys-lru", 256 << 20));
    assert!(!found.version.is_empty());
    redis.kill().await;
    assert!(matches!(inspect(redis.url(), PATIENCE).await, Err(InspectError::Unreachable(_))));
}
