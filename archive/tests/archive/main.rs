//! The archive on a real database and a real folder: whatever happens while it is written, every event is there once.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_archive::{Archive, Archiver, Error, Options, Past, Replay};
use weir_events::{
    Actor, Commit, DatasetId, EventId, EventLog, Filter, MemoryLog, Metadata, NewEvent, Position, Start,
    Stored, Subject, UserId, WorkspaceId, dataset,
};
use weir_infra::{
    blob::{self, Blobs},
    testing::{self, Database},
};

struct World {
    log: Arc<dyn EventLog>,
    database: Database,
    blobs: Blobs,
    told: u128,
}

fn workspace(n: u128) -> WorkspaceId {
    WorkspaceId(Uuid::from_u128(0xa000 + n))
}

impl World {
    async fn new() -> Self {
        let blobs = blob::open("memory:///").unwrap();
        Self { log: Arc::new(MemoryLog::new()), database: testing::database().await, blobs, told: 0 }
    }

    /// Some events of three workspaces over a few days, not always in the order of their times.
    async fn tell(&mut self, events: u128) {
        for _ in 0..events {
            self.told += 1;
            let n = self.told;
            let id = Uuid::from_u128(n);
            let time = "2026-03-01T10:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap();
            let meta = Metadata {
                id: EventId(id),
                time: time + TimeDelta::hours(i64::try_from(n * 7 % 60).unwrap()),
                actor: Actor::User(UserId(id)),
                correlation: id,
                causation: n.is_multiple_of(2).then_some(EventId(id)),
                traceparent: None,
            };
            let subject = Subject::dataset(workspace(n * n % 3), DatasetId(id));
            let event = dataset::Described { description: format!("\u{e9}vent {n}") }.into();
            self.log.append(Commit::new().event(NewEvent { subject, meta, event })).await.unwrap();
        }
    }

    fn archive(&self) -> Archive {
        Archive::new(self.database.pool().clone(), self.blobs.clone())
    }

    fn archiver(&self, options: Options) -> Archiver {
        Archiver::new(self.archive(), self.log.clone(), options)
    }

    async fn all(&self, filter: &Filter) -> Vec<Stored> {
        self.log.read(filter, Start::After(Position::START), usize::MAX).await.unwrap().events
    }

    /// What the archive has, and that it is what the log has up to there; nothing else lies about.
    async fn check(&self) -> Position {
        let archived = self.archive().snapshot(None).await.unwrap();
        let events: Vec<Stored> = archived.events(Position::START).stream().try_concat().await.unwrap();
        let mut wanted = self.all(&Filter::All).await;
        wanted.retain(|event| event.position <= archived.position());
        assert_eq!(events, wanted);
        archived.position()
    }

    /// Every object of the store is on the list, and every live file of the list in the store.
    async fn check_objects(&self) {
        let client = self.database.pool().get().await.unwrap();
        let rows = client.query("SELECT key, state FROM archive.files ORDER BY key", &[]).await.unwrap();
        let listed: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(rows.iter().all(|row| row.get::<_, &str>(1) != "writing"));
        let mut there: Vec<String> =
            self.blobs.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
        there.sort();
        assert_eq!(there, listed);
    }
}

/// Works until everything is archived.
async fn lead_to_the_end(world: &World, archivers: usize, options: &Options) {
    let stop = CancellationToken::new();
    let tasks: Vec<_> = (0..archivers)
        .map(|_| {
            let (archiver, stop) = (world.archiver(options.clone()), stop.clone());
            tokio::spawn(async move { archiver.run(stop).await })
        })
        .collect();
    let head = world.log.head().await.unwrap();
    let reached = async {
        while world.archive().snapshot(None).await.unwrap().position() < head {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("the archive catches up");
    stop.cancel();
    for task in tasks {
        task.await.unwrap();
    }
}

#[derive(Debug, Clone)]
enum Step {
    Tell(u128),
    Archive {
        events: u64,
    },
    /// Broken off after some turns of the scheduler.
    Broken {
        events: u64,
        micros: u64,
    },
    Two {
        events: (u64, u64),
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..40_u128).prop_map(Step::Tell),
        (1..30_u64).prop_map(|events| Step::Archive { events }),
        (1..30_u64, 0..30_000_u64).prop_map(|(events, micros)| Step::Broken { events, micros }),
        (1..30_u64, 1..30_u64).prop_map(|events| Step::Two { events }),
    ];
    proptest::collection::vec(step, 1..12)
}

async fn play(steps: Vec<Step>) {
    let mut world = World::new().await;
    let options = |events| Options { events, time: Duration::from_millis(1), merge: 3, ..Options::default() };
    world.tell(5).await;
    for step in steps {
        match step {
            Step::Tell(events) => world.tell(events).await,
            Step::Archive { events } => drop(world.archiver(options(events)).catch_up().await.unwrap()),
            Step::Broken { events, micros } => {
                let archiver = world.archiver(options(events));
                let _ = tokio::time::timeout(Duration::from_micros(micros), archiver.catch_up()).await;
            }
            Step::Two { events: (a, b) } => {
                let (a, b) = (world.archiver(options(a)), world.archiver(options(b)));
                for done in <[_; 2]>::from(tokio::join!(a.catch_up(), b.catch_up())) {
                    assert!(matches!(done, Ok(_) | Err(Error::Overtaken)), "{done:?}");
                }
            }
        }
        world.check().await;
    }
    world.tell(3).await;
    lead_to_the_end(&world, 2, &options(7)).await;
    assert_eq!(world.check().await, world.log.head().await.unwrap());
    // The next one to lead removes what broke off. It merges nothing, or stopping it would break that off.
    world.tell(1).await;
    let last = Options { keep: Duration::ZERO, merge: usize::MAX, ..options(7) };
    lead_to_the_end(&world, 1, &last).await;
    world.check_objects().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]
    #[test]
    fn however_it_is_cut_every_event_is_there_once(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_archived_in_time_or_by_number() {
    let mut world = World::new().await;
    world.tell(20).await;
    let hour = Duration::from_secs(3_600);
    // By number, long before the time.
    lead_to_the_end(&world, 1, &Options { time: hour, events: 20, ..Options::default() }).await;
    world.tell(5).await;
    // Neither.
    let stop = CancellationToken::new();
    let waiting = world.archiver(Options { time: hour, events: 20, ..Options::default() });
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { waiting.run(stop).await }
    });
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(world.check().await, Position(20));
    stop.cancel();
    task.await.unwrap();
    // In time, few as they are.
    lead_to_the_end(&world, 1, &Options { time: Duration::from_millis(50), ..Options::default() }).await;
    assert_eq!(world.check().await, Position(25));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_replayed_from_the_archive_is_the_log() {
    let mut world = World::new().await;
    world.tell(100).await;
    world.archiver(Options { events: 9, merge: 4, ..Options::default() }).catch_up().await.unwrap();
    world.tell(30).await;
    let archived = world.archive().snapshot(None).await.unwrap();
    assert_eq!(archived.position(), Position(100));
    let replay = Replay::new(archived, world.log.clone());
    for (filter, after) in [
        (Filter::All, 0),
        (Filter::All, 57),
        (Filter::All, 100),
        (Filter::All, 120),
        (Filter::Workspace(workspace(1)), 3),
    ] {
        let mut wanted = world.all(&filter).await;
        wanted.retain(|event| event.position.0 > after);
        let followed = replay.follow(filter, Position(after)).take(wanted.len());
        assert_eq!(followed.try_collect::<Vec<_>>().await.unwrap(), wanted);
    }
    assert!(replay.archived() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_workspace_is_its_own_from_the_archive_and_from_the_log() {
    let mut world = World::new().await;
    world.tell(60).await;
    world.archiver(Options::default()).catch_up().await.unwrap();
    world.tell(60).await;
    for past in [Past::new(Some(world.archive()), world.log.clone()), Past::new(None, world.log.clone())] {
        for n in 0..3 {
            let moment = past.of(workspace(n)).await.unwrap();
            let events: Vec<Stored> = moment.events().try_concat().await.unwrap();
            assert_eq!(events, world.all(&Filter::Workspace(workspace(n))).await);
        }
    }
    // What comes later is not in it, also when it has been archived since.
    let past = Past::new(Some(world.archive()), world.log.clone());
    let moment = past.of(workspace(1)).await.unwrap();
    world.tell(30).await;
    world.archiver(Options::default()).catch_up().await.unwrap();
    let events: Vec<Stored> = moment.events().try_concat().await.unwrap();
    assert!(events.iter().all(|event| event.position <= Position(120)));
    assert_eq!(moment.position(), Position(120));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_damaged_is_an_error() {
    let mut world = World::new().await;
    world.tell(10).await;
    world.archiver(Options::default()).catch_up().await.unwrap();
    let archived = world.archive().snapshot(None).await.unwrap();
    let objects: Vec<_> = world.blobs.list(None).try_collect().await.unwrap();
    let blobs: &dyn object_store::ObjectStore = &*world.blobs;
    for payload in [Some(vec![7; 100]), None] {
        let at = &objects[0].location;
        match payload {
            Some(bytes) => {
                blobs.put_opts(at, bytes.into(), Default::default()).await.unwrap();
            }
            None => object_store::ObjectStoreExt::delete(blobs, at).await.unwrap(),
        }
        let read = archived.events(Position::START).stream().try_concat().await;
        assert!(matches!(read, Err(Error::File(_))), "{read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_further_than_the_log_writes_nothing() {
    let mut world = World::new().await;
    world.tell(10).await;
    world.archiver(Options::default()).catch_up().await.unwrap();
    let before = world.archive().snapshot(None).await.unwrap().size();
    world.log = Arc::new(MemoryLog::new());
    world.told = 0;
    world.tell(4).await;
    world.archiver(Options::default()).catch_up().await.unwrap();
    let after = world.archive().snapshot(None).await.unwrap();
    assert_eq!((after.position(), after.size()), (Position(10), before));
}
