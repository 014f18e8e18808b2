//! How fast a backlog is folded. Measured by hand:
//! `cargo test -p weir-projector --test it throughput -- --ignored --nocapture`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;
use weir_events::{
    AppendError, Appended, Commit, EventLog, Filter, FollowError, Position, Recorded, Stored, Subject,
    Unavailable, log::LoadError,
};
use weir_infra::testing::database;
use weir_projector::{Options, Runtime, projections};

use crate::story::*;

/// A log of ready events, without locks and searches of its own to be measured.
struct Ready(Arc<Vec<Stored>>);

#[async_trait]
impl EventLog for Ready {
    async fn append(&self, _: Commit) -> Result<Appended, AppendError> {
        Err(AppendError::Invalid("it is read-only"))
    }

    async fn load(&self, _: &Subject) -> Result<Vec<Recorded>, LoadError> {
        Ok(Vec::new())
    }

    fn follow(&self, _: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        let events = self.0.clone();
        let ready = (usize::try_from(after.0).unwrap()..events.len()).map(move |n| Ok(events[n].clone()));
        stream::iter(ready).chain(stream::pending()).boxed()
    }

    async fn read(
        &self,
        _: &Filter,
        _: weir_events::Start,
        _: usize,
    ) -> Result<weir_events::Page, Unavailable> {
        Err(Unavailable("it can only be followed".to_owned()))
    }

    async fn last(&self, _: &Filter) -> Result<Position, Unavailable> {
        self.head().await
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        Ok(Position(self.0.len() as u64))
    }
}

const EVENTS: u64 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_backlog() {
    let mut story = Story::new();
    let mut events = Vec::new();
    for n in 1..=u128::from(EVENTS) {
        let w = workspace(n % 50);
        let event = match n % 20 {
            0 => story.event(Subject::dataset(w, table(n % 1_000)), uploaded(&format!("t{n}"), 1, 1_000)),
            1 => story.event(Subject::dataset(w, table((n - 1) % 1_000)), ingested(1, 500)),
            2 => story.event(Subject::visualization(w, chart(n % 1_000)), saved_chart("c", None)),
            3 => story.event(Subject::query(w, pattern(n % 2_000)), failed(n)),
            _ => {
                let mut run =
                    executed(n, &[(n % 1_000, "flights"), (n % 7, "airlines")], (n % 400) as f64, None);
                run.sql = "SELECT a.name, count(*) AS flights, avg(f.arr_delay) AS delay FROM flights f \
                           JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC"
                    .to_owned();
                story.event(Subject::query(w, pattern(n % 2_000)), run)
            }
        };
        let (headers, payload) = event.encode().unwrap();
        let position = Position(u64::try_from(n).unwrap());
        events.push(Stored { position, subject: event.subject.to_string(), headers, payload });
    }
    let log: Arc<dyn EventLog> = Arc::new(Ready(Arc::new(events)));
    let database = database().await;
    let pool = database.pool();

    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), Options::default());
    let mut position = runtime.position();
    let shutdown = CancellationToken::new();
    let begun = Instant::now();
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    let mut mark = Instant::now();
    for part in 1..=4 {
        position.wait_for(|p| p.0 >= EVENTS / 4 * part).await.unwrap();
        let rate = EVENTS as f64 / 4.0 / mark.elapsed().as_secs_f64();
        println!("part {part}: {rate:.0} events/s");
        mark = Instant::now();
    }
    let took: Duration = begun.elapsed();
    println!("{EVENTS} events in {took:.2?}: {:.0} events/s", EVENTS as f64 / took.as_secs_f64());
    shutdown.cancel();
    running.await.unwrap().unwrap();

    let begun = Instant::now();
    let rebuilt = rebuild_all(&log, pool).await.unwrap();
    assert_eq!(rebuilt.differences, Some(vec![]));
    println!("rebuilt, compared and swapped in {:.2?}", begun.elapsed());
    assert_eq!(differences(&log, pool).await, []);
}
