//! Tasks, signals, and the end: softly first, then hard.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Runs something short of a service; a signal drops it, and with it the servers that it started.
    pub(crate) async fn interruptible<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            result = work => result,
            signal = self.next() => Err(anyhow!("stopped by {signal}")),
        }
    }
}

/// The tasks of a service, in the order of their end: [`Lifecycle::edge`] is cancelled first, for what takes requests
/// in; then [`Lifecycle::inner`], for what works behind it.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    edge: CancellationToken,
    inner: CancellationToken,
    edge_tasks: TaskTracker,
    inner_tasks: TaskTracker,
    died: mpsc::UnboundedSender<anyhow::Error>,
}

/// Why a service ends.
pub(crate) struct Ends(mpsc::UnboundedReceiver<anyhow::Error>);

impl Lifecycle {
    pub(crate) fn new() -> (Self, Ends) {
        let (died, ends) = mpsc::unbounded_channel();
        let lifecycle = Self {
            edge: CancellationToken::new(),
            inner: CancellationToken::new(),
            edge_tasks: TaskTracker::new(),
            inner_tasks: TaskTracker::new(),
            died,
        };
        (lifecycle, Ends(ends))
    }

    /// Cancelled when no new work may be taken in.
    pub(crate) fn edge(&self) -> CancellationToken {
        self.edge.clone()
    }

    /// Cancelled when everything behind the edge may stop.
    pub(crate) fn inner(&self) -> CancellationToken {
        self.inner.clone()
    }

    /// Runs a task at the edge. One that ends by itself ends the service.
    pub(crate) fn spawn_edge(
        &self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let (token, died) = (self.edge.clone(), self.died.clone());
        self.edge_tasks.spawn(watched(name, task, token, died));
    }

    /// Runs a task behind the edge. One that ends by itself ends the service.
    pub(crate) fn spawn_inner(
        &self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let (token, died) = (self.inner.clone(), self.died.clone());
        self.inner_tasks.spawn(watched(name, task, token, died));
    }

    /// Waits for a signal or a task's death, then stops the edge, then the rest, each within its time; a second signal
    /// cuts the waiting short. Fails if a task had died.
    pub(crate) async fn run(
        self,
        mut ends: Ends,
        signals: &mut Signals,
        drain: Duration,
    ) -> anyhow::Result<()> {
        let result = tokio::select! {
            signal = signals.next() => {
                tracing::info!(signal, "stopping");
                Ok(())
            }
            Some(error) = ends.0.recv() => Err(error),
        };
        if let Err(error) = &result {
            tracing::error!(error = format!("{error:#}"), "stopping, because a part of Weir ended");
        }
        let softly = async {
            self.edge.cancel();
            self.edge_tasks.close();
            wait("requests", &self.edge_tasks, drain + Duration::from_secs(2)).await;
            self.inner.cancel();
            self.inner_tasks.close();
            wait("work", &self.inner_tasks, Duration::from_secs(10)).await;
        };
        let asked = Instant::now();
        let again = async {
            loop {
                let signal = signals.next().await;
                // A terminal and a program around Weir may both pass on the same Ctrl-C.
                if asked.elapsed() > Duration::from_secs(1) {
                    return signal;
                }
            }
        };
        tokio::select! {
            () = softly => {}
            signal = again => tracing::warn!(signal, "stopping at once"),
        }
        self.inner.cancel();
        result
    }
}

async fn wait(what: &str, tasks: &TaskTracker, within: Duration) {
    if tokio::time::timeout(within, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "{what} did not end within {} s", within.as_secs());
    }
}

async fn watched(
    name: &'static str,
    task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    token: CancellationToken,
    died: mpsc::UnboundedSender<anyhow::Error>,
) {
    // A task of its own, so that a panic is seen as well.
    let error = match tokio::spawn(task).await {
        Ok(Ok(())) if token.is_cancelled() => return,
        Ok(Ok(())) => anyhow!("{name} ended by itself"),
        Ok(Err(error)) => error.context(format!("{name} failed")),
        Err(error) => anyhow!("{name} failed: {error}"),
    };
    // Nobody listens any more once the service stops.
    let _ = died.send(error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_ends_the_service_with_its_name() {
        let (lifecycle, ends) = Lifecycle::new();
        lifecycle.spawn_inner("the projector", async { anyhow::bail!("out of ink") });
        let mut signals = Signals::listen().unwrap();
        let error = lifecycle.run(ends, &mut signals, Duration::ZERO).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the projector failed: out of ink");
    }

    #[tokio::test]
    async fn the_edge_ends_before_what_is_behind_it() {
        let (lifecycle, ends) = Lifecycle::new();
        let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        for (name, token) in [("edge", lifecycle.edge()), ("inner", lifecycle.inner())] {
            let order = order.clone();
            let task = async move {
                token.cancelled().await;
                order.lock().unwrap().push(name);
                Ok(())
            };
            if name == "edge" { lifecycle.spawn_edge(name, task) } else { lifecycle.spawn_inner(name, task) }
        }
        lifecycle.spawn_inner("the cause", async { anyhow::bail!("the first one counts") });
        let mut signals = Signals::listen().unwrap();
        let error = lifecycle.run(ends, &mut signals, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the cause failed: the first one counts");
        assert_eq!(*order.lock().unwrap(), ["edge", "inner"]);
    }
}
