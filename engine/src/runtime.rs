//! The engine's own threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::sql::STACK;

/// A runtime that may be dropped anywhere, also inside another runtime.
pub(crate) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    pub(crate) fn new(threads: usize) -> Result<Self, std::io::Error> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("weir-engine")
            // Plans are walked and dropped by recursion, as deep as queries are nested.
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map(|r| Self(Some(r)))
    }

    /// For blocking work, whose threads are the runtime's other ones.
    pub(crate) fn handle(&self) -> Option<tokio::runtime::Handle> {
        self.0.as_ref().map(|r| r.handle().clone())
    }

    /// Runs a future on the engine's threads; dropping the task aborts it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<Task<T>> {
        self.0.as_ref().map(|r| Task(r.spawn(work)))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // An ordinary drop blocks, which panics on an asynchronous thread.
            runtime.shutdown_background();
        }
    }
}

/// Work on the engine's threads that ends when nobody waits for it any more.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
