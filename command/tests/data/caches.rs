//! The tiers of results: each is hit in its turn, and none can make an answer wrong or a query fail.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::join_all};
use reqwest::Method;
use serde_json::{Value, json};
use weir_command::Config;
use weir_events::{Event, Filter, Position, query};
use weir_infra::{
    cache::{Options, Shared},
    testing::Redis,
};

use crate::world::{Answer, SECOND, Someone, Weir, World, until};

/// Patient, so that a busy machine does not look like a slow server.
fn patient() -> Options {
    Options { connect: SECOND * 30, wait: SECOND * 30, ..Options::default() }
}

impl World {
    async fn sharing(&self, redis: &Redis, config: Config, options: Options) -> Weir {
        let mut opened = None;
        let weir = self
            .start_sharing(config, |registry| {
                let shared = Shared::open(redis.url(), self.key(), options, registry).unwrap();
                opened = Some(shared.clone());
                shared
            })
            .await;
        let shared = opened.unwrap();
        until("the shared cache is connected", async || shared.connected().await).await;
        weir
    }

    /// The kept results' files.
    fn results(&self, of: &Someone) -> Vec<PathBuf> {
        let folder = self.folder.path().join("blobs/results").join(of.workspace.to_string());
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "arrow"))
            .collect()
    }
}

impl Weir {
    /// The sum of a counter over those of its labels' values that hold a word.
    fn counted(&self, name: &str, word: &str) -> u64 {
        let families = self.registry.gather();
        let metrics =
            families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
        let of_word =
            metrics.filter(|m| word.is_empty() || m.get_label().iter().any(|label| label.value() == word));
        of_word.map(|m| m.get_counter().get_value() as u64 + m.get_histogram().get_sample_count()).sum()
    }

    /// How often the engine was given a query.
    fn computed(&self) -> u64 {
        self.counted("weir_results_computed_total", "")
    }

    /// Waits until so many values were put into the shared cache.
    async fn put(&self, count: u64) {
        until("the shared cache is filled", async || {
            self.counted("weir_shared_cache_seconds", "stored") >= count
        })
        .await;
    }
}

#[track_caller]
fn served(answer: &Answer, by: &str) {
    assert_eq!(answer.header("weir-cache"), by, "{}", answer.body);
    let tier = by.strip_prefix("hit; tier=").map(|tier| tier.parse::<u8>().unwrap());
    assert_eq!(answer.body["cache"], json!({"hit": tier.is_some(), "tier": tier}));
}

fn numbers(count: u32) -> String {
    (0..count).fold("n\n".to_owned(), |text, n| text + &format!("{n}\n"))
}

#[tokio::test]
async fn a_hundred_who_ask_the_same_at_once_share_one_run_of_the_engine() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("nums", numbers(2_000)).await;
    let before = weir.computed();
    let answers = join_all((0..100).map(|_| ada.sql("SELECT sum(a.n * b.n) AS s FROM nums a, nums b"))).await;
    assert_eq!(weir.computed() - before, 1);
    let rows = &answers[0].body["rows"];
    assert!(answers.iter().all(|answer| answer.status == 200 && &answer.body["rows"] == rows));
    assert_eq!(answers.iter().filter(|answer| answer.header("weir-cache") == "miss").count(), 1);
    assert_eq!(weir.counted("weir_results_looks_total", "hit"), 99);
    assert_eq!(world.results(&ada).len(), 1, "they share what is kept");
}

#[tokio::test]
async fn each_tier_serves_when_those_above_have_nothing() {
    let Some(redis) = Redis::start().await else { return };
    let world = World::new().await;
    let first = world.sharing(&redis, Config::default(), patient()).await;
    let _worker = first.worker();
    let ada = first.someone();
    ada.ready("nums", numbers(100)).await;
    let asked = json!({"sql": "SELECT n FROM nums ORDER BY n", "limit": 10});
    let ask = async |weir: &Weir| ada.at(weir).post("queries", asked.clone()).await.ok();
    let computed = ask(&first).await;
    served(&computed, "miss");
    served(&ask(&first).await, "hit; tier=1");
    first.put(1).await;

    let second = world.sharing(&redis, Config::default(), patient()).await;
    let from_redis = ask(&second).await;
    served(&from_redis, "hit; tier=2");
    served(&ask(&second).await, "hit; tier=1");

    // As after a restart, with no Redis.
    let third = world.start(Config::default()).await;
    let from_store = ask(&third).await;
    served(&from_store, "hit; tier=3");
    served(&ask(&third).await, "hit; tier=1");
    assert_eq!(first.computed() + second.computed() + third.computed(), 1);
    assert_eq!(third.counted("weir_results_looks_total", "3"), 1);

    // What the blob store has fills Redis again.
    redis.tell(&[b"FLUSHALL"]).await;
    let fourth = world.sharing(&redis, Config::default(), patient()).await;
    served(&ask(&fourth).await, "hit; tier=3");
    fourth.put(1).await;
    let fifth = world.sharing(&redis, Config::default(), patient()).await;
    served(&ask(&fifth).await, "hit; tier=2");

    for answer in [&from_redis, &from_store] {
        for field in ["columns", "rows", "row_count", "truncated", "datasets"] {
            assert_eq!(answer.body[field], computed.body[field], "{field}");
        }
    }
    assert_eq!((&computed.body["truncated"], &computed.body["row_count"]), (&json!(true), &json!(10)));
    let receipts = receipts(&fifth).await;
    let tiers: Vec<_> = receipts.iter().map(|r| r.cache_tier).collect();
    assert_eq!(tiers, [None, Some(1), Some(2), Some(1), Some(3), Some(1), Some(3), Some(2)]);
    let same = |r: &query::Executed| (r.result.clone(), r.result_hash.clone(), r.bytes, r.rows, r.truncated);
    assert!(receipts.iter().all(|r| same(r) == same(&receipts[0]) && r.result.is_some()), "{receipts:#?}");
    assert_eq!(world.results(&ada).len(), 1);
}

async fn receipts(weir: &Weir) -> Vec<query::Executed> {
    let head = weir.log.head().await.unwrap();
    let mut events = weir.log.follow(Filter::All, Position::START);
    let mut found = Vec::new();
    loop {
        let recorded = events.next().await.unwrap().unwrap().decode().unwrap();
        if let Event::Query(query::Event::Executed(executed)) = recorded.event {
            found.push(executed);
        }
        if recorded.position == head {
            return found;
        }
    }
}

#[tokio::test]
async fn a_redis_that_fails_in_every_way_under_load_costs_time_only() {
    const QUESTIONS: u32 = 24;
    let Some(mut redis) = Redis::start().await else { return };
    let world = World::new().await;
    // Nothing stays in memory and nothing is kept: whatever Redis does not have is computed.
    let config = Config { cache_bytes: 1, kept_bytes: 0, query_wait: SECOND * 60, ..Config::default() };
    let weir = world.sharing(&redis, config, Options { connect: SECOND * 30, ..Options::default() }).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("nums", numbers(300)).await;
    let (done, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let longest = std::sync::Mutex::new(Duration::ZERO);
    let load = join_all((0..6_u32).map(|client| {
        let (ada, done, over, longest) = (&ada, &done, &over, &longest);
        async move {
            let mut n = client;
            while !over.load(Ordering::Relaxed) {
                n = (n * 7 + 1 + client) % QUESTIONS;
                let begun = Instant::now();
                // The rows are large enough to fill a Redis of a megabyte.
                let sql = format!("SELECT n + {n} AS n, repeat('x', 300) AS text FROM nums ORDER BY 1 DESC");
                let answer = ada.sql(&sql).await.ok();
                assert_eq!(
                    (&answer.body["rows"][0][0], &answer.body["row_count"]),
                    (&json!(299 + n), &json!(300))
                );
                let mut longest = longest.lock().unwrap();
                *longest = begun.elapsed().max(*longest);
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    let incidents = async {
        let more = async |what: &str| {
            let enough = done.load(Ordering::Relaxed) + 60;
            until(what, async || done.load(Ordering::Relaxed) >= enough).await;
        };
        let hits = |weir: &Weir| weir.counted("weir_results_looks_total", "2");
        let hit_again = async |what: &str| {
            let before = hits(&weir);
            until(what, async || hits(&weir) > before + 5).await;
        };
        hit_again("Redis serves").await;
        redis.freeze();
        more("queries while Redis is frozen").await;
        redis.thaw();
        hit_again("Redis serves after it was frozen").await;
        redis.tell(&[b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"]).await;
        redis.tell(&[b"CONFIG", b"SET", b"maxmemory", b"1mb"]).await;
        more("queries while Redis is full").await;
        redis.tell(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await;
        redis.tell(&[b"FLUSHALL"]).await;
        hit_again("Redis serves after it was emptied").await;
        redis.kill().await;
        more("queries while Redis is gone").await;
        redis.restart().await;
        hit_again("Redis serves after it was gone").await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, incidents);
    let longest = *longest.lock().unwrap();
    assert!(longest < SECOND * 10, "one took {longest:?}");
    let outcomes = &weir.app;
    assert!(outcomes.config().kept_bytes == 0 && world.results(&ada).is_empty());
    for outcome in ["late", "skipped", "error"] {
        assert!(weir.counted("weir_shared_cache_seconds", outcome) > 0, "it never was {outcome}");
    }
}

#[tokio::test]
async fn nobody_is_given_anothers_result() {
    let Some(redis) = Redis::start().await else { return };
    let world = World::new().await;
    let weir = world.sharing(&redis, Config::default(), patient()).await;
    let (ada, bob) = (weir.someone(), weir.someone());
    served(&ada.sql("SELECT 1 AS one").await.ok(), "miss");
    weir.put(1).await;
    served(&bob.sql("SELECT 1 AS one").await.ok(), "miss");
    weir.put(2).await;
    assert_eq!(redis.keys().await.len(), 2);
    // Not even if it is put under one's own key.
    let names = redis.keys().await;
    let value: Vec<u8> = redis_bytes(redis.tell(&[b"GET", &names[0]]).await);
    redis.tell(&[b"SET", &names[1], &value]).await;
    let value: Vec<u8> = redis_bytes(redis.tell(&[b"GET", &names[1]]).await);
    redis.tell(&[b"SET", &names[0], &value]).await;
    let other = world.sharing(&redis, Config { kept_bytes: 0, ..Config::default() }, patient()).await;
    let tiers =
        [ada.at(&other).sql("SELECT 1 AS one").await.ok(), bob.at(&other).sql("SELECT 1 AS one").await.ok()]
            .map(|answer| answer.header("weir-cache").to_owned());
    assert_eq!(
        tiers.iter().filter(|tier| *tier == "miss").count(),
        1,
        "one of them has another's value: {tiers:?}"
    );
    for text in names {
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(&ada.workspace.to_string()), "{text}");
    }
}

fn redis_bytes(value: weir_infra::testing::RedisValue) -> Vec<u8> {
    match value {
        weir_infra::testing::RedisValue::BulkString(bytes) => bytes,
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_damaged_is_computed_again_and_replaced() {
    let Some(redis) = Redis::start().await else { return };
    let world = World::new().await;
    let weir = world.sharing(&redis, Config::default(), patient()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("nums", numbers(50)).await;
    let sql = "SELECT n, n * 2 AS twice FROM nums ORDER BY n";
    let right = ada.sql(sql).await.ok();
    weir.put(1).await;
    let [name] = &redis.keys().await[..] else { panic!("one value") };
    let [file] = &world.results(&ada)[..] else { panic!("one file") };
    let whole = std::fs::read(file).unwrap();

    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 6] = [
        |whole| whole[..whole.len() / 2].to_vec(),
        |whole| {
            let mut turned = whole.to_vec();
            turned[whole.len() / 2] ^= 1;
            turned
        },
        // A length that would be all the memory there is, and more.
        |whole| [&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &whole[8..]].concat(),
        |whole| whole[1..].to_vec(),
        |_| b"something else".to_vec(),
        |_| Vec::new(),
    ];
    for (n, damage) in damages.iter().enumerate() {
        redis.tell(&[b"SET", name, &damage(&whole)]).await;
        std::fs::write(file, damage(&whole)).unwrap();
        let other = world.sharing(&redis, Config::default(), patient()).await;
        let again = ada.at(&other).sql(sql).await.ok();
        served(&again, "miss");
        assert_eq!(again.body["rows"], right.body["rows"], "{n}");
        assert_eq!(other.counted("weir_results_damaged_total", ""), 1, "{n}");
        other.put(1).await;
        let shared = world.sharing(&redis, Config::default(), patient()).await;
        served(&ada.at(&shared).sql(sql).await.ok(), "hit; tier=2");
        let alone = world.start(Config::default()).await;
        served(&ada.at(&alone).sql(sql).await.ok(), "hit; tier=3");
        assert_eq!(std::fs::read(file).unwrap(), whole, "{n}");
    }
}

#[tokio::test]
async fn a_new_version_is_never_answered_with_the_old_one() {
    let Some(redis) = Redis::start().await else { return };
    let world = World::new().await;
    let first = world.sharing(&redis, Config::default(), patient()).await;
    let second = world.sharing(&redis, Config::default(), patient()).await;
    let _worker = first.worker();
    let ada = first.someone();
    let id = ada.ready("nums", numbers(10)).await.text("id").to_owned();
    let mut position = Value::Null;
    let mut ask = async |weir: &Weir, rows: u32, by: &str| {
        let request =
            ada.at(weir).request(Method::POST, "queries").json(&json!({"sql": "SELECT count(*) FROM nums"}));
        let request = request.header("weir-min-position", position.to_string().replace("null", "0"));
        let answer = Answer::of(request.send().await.unwrap()).await.ok();
        assert_eq!(answer.body["rows"], json!([[rows]]));
        served(&answer, by);
        position = answer.body["position"].clone();
    };
    ask(&first, 10, "miss").await;
    first.put(1).await;
    ask(&second, 10, "hit; tier=2").await;
    for (rows, stored) in [(20, 2), (30, 3)] {
        let request =
            ada.request(Method::POST, &format!("datasets/{id}/versions")).header("prefer", "wait=30");
        let request = request.header("content-type", "text/csv").body(numbers(rows));
        Answer::of(request.send().await.unwrap()).await.ok();
        ask(&first, rows, "miss").await;
        first.put(stored).await;
        ask(&second, rows, "hit; tier=2").await;
        ask(&first, rows, "hit; tier=1").await;
    }
    let back = ada.post(&format!("datasets/{id}/versions/1/restore"), json!({})).await.ok();
    assert_eq!(back.body["rows"], 10);
    ask(&first, 10, "miss").await;
}

#[tokio::test]
async fn what_is_not_kept_or_may_change_goes_nowhere() {
    let Some(redis) = Redis::start().await else { return };
    let world = World::new().await;
    let weir = world
        .sharing(
            &redis,
            Config { kept_bytes: 2_000, ..Config::default() },
            Options { value_bytes: 2_000, ..patient() },
        )
        .await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("nums", numbers(1_000)).await;
    for _ in 0..2 {
        served(&ada.sql("SELECT random() AS chance").await.ok(), "miss");
    }
    ada.sql("SELECT n FROM numz").await.refused(422, "unknown_table");
    assert_eq!(world.results(&ada).len(), 2, "each run has its own");
    served(&ada.sql("SELECT n FROM nums").await.ok(), "miss");
    served(&ada.sql("SELECT n FROM nums").await.ok(), "hit; tier=1");
    assert_eq!(world.results(&ada).len(), 2, "it is too large");
    assert_eq!(redis.keys().await.len(), 0);
    let other = world.sharing(&redis, Config::default(), patient()).await;
    served(&ada.at(&other).sql("SELECT n FROM nums").await.ok(), "miss");
}
