//! The connection to the server, and the breaker: it is there or it is not, and nobody waits for it.
//!
//! A connection that is lost, or late several times in a row, is given up. A new one is made in the
//! background when somebody would use it and a pause has passed, which grows for as long as the
//! server does not answer; it counts once the server has answered a ping in the time that a use
//! may take. So a server that is away, stopped or slow costs a few late answers once and then nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus::IntGauge;
use redis::{AsyncConnectionConfig, RedisError, aio::MultiplexedConnection, cmd};
use tokio::{sync::watch, time::timeout};

/// Late answers in a row after which the server is left alone: one may be this machine's own doing.
const LATE: u32 = 3;
/// How long it is left alone first, and at most.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) connect: Duration,
    pub(super) wait: Duration,
}

/// How the use of a connection went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Answered,
    Late,
    Lost,
}

/// A connection for one use.
pub(super) struct Lease {
    pub(super) connection: MultiplexedConnection,
    generation: u64,
}

pub(super) struct Link {
    client: redis::Client,
    times: Times,
    state: Mutex<State>,
    up: watch::Sender<bool>,
    gauge: IntGauge,
}

struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that what is said of an old one is not held against the new.
    generation: u64,
    late: u32,
    connecting: bool,
    /// No new connection before this.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Link {
    pub(super) fn new(client: redis::Client, times: Times, gauge: IntGauge) -> Self {
        let state = State {
            connection: None,
            generation: 0,
            late: 0,
            connecting: false,
            not_before: None,
            pause: PAUSE,
        };
        Self { client, times, state: Mutex::new(state), up: watch::Sender::new(false), gauge }
    }

    /// The connection, if there is one; else one is made meanwhile, unless it is too early for that.
    pub(super) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let mut state = self.state();
        if let Some(connection) = &state.connection {
            return Some(Lease { connection: connection.clone(), generation: state.generation });
        }
        let early = state.not_before.is_some_and(|moment| Instant::now() < moment);
        if !state.connecting
            && !early
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            state.connecting = true;
            let attempt = Attempt(Arc::clone(self));
            runtime.spawn(async move { attempt.make().await });
        }
        None
    }

    /// Waits until there is a connection, for as long as making one may take.
    pub(super) async fn connected(self: &Arc<Self>) -> bool {
        let mut up = self.up.subscribe();
        if self.lease().is_some() {
            return true;
        }
        matches!(timeout(self.times.connect + self.times.wait, up.wait_for(|up| *up)).await, Ok(Ok(_)))
    }

    /// Takes note of how a use went.
    pub(super) fn used(&self, lease: &Lease, how: Use) {
        let mut state = self.state();
        if state.generation != lease.generation || state.connection.is_none() {
            return;
        }
        match how {
            Use::Answered => (state.late, state.pause) = (0, PAUSE),
            Use::Late if state.late + 1 < LATE => state.late += 1,
            Use::Late | Use::Lost => {
                tracing::warn!(reason = ?how, "the shared cache is left alone for a while");
                self.down(&mut state);
            }
        }
    }

    fn down(&self, state: &mut State) {
        state.connection = None;
        state.late = 0;
        state.not_before = Some(Instant::now() + state.pause);
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        self.gauge.set(0);
        self.up.send_replace(false);
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let said = |error: RedisError| error.to_string();
        // Each use has a deadline of its own.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection =
            timeout(self.times.connect, made).await.map_err(|_| "no connection in time")?.map_err(said)?;
        let ping = cmd("PING");
        let pong = ping.query_async::<()>(&mut connection);
        timeout(self.times.wait, pong).await.map_err(|_| "no answer in time")?.map_err(said)?;
        Ok(connection)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the making. Dropped half-way, with its runtime for example, the next use makes another.
struct Attempt(Arc<Link>);

impl Attempt {
    async fn make(self) {
        let link = &self.0;
        let made = link.connect().await;
        let mut state = link.state();
        match made {
            Ok(connection) => {
                state.generation += 1;
                state.connection = Some(connection);
                link.gauge.set(1);
                link.up.send_replace(true);
                tracing::info!("the shared cache is connected");
            }
            Err(reason) => {
                // Said once: it is tried again for as long as the server is away.
                if state.pause == PAUSE {
                    tracing::warn!(reason, "the shared cache cannot be reached; Weir works without it");
                }
                link.down(&mut state);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.state().connecting = false;
    }
}
