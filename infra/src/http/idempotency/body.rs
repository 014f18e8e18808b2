//! Bodies on their way: requests that are hashed as they pass, answers that are collected.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BodyStream, BoxBody, MessageBody, SizedStream},
    dev::Payload,
    error::PayloadError,
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};

use super::digest::BodyDigest;
use crate::http::{Problem, payload_problem};

/// A request body that is hashed while someone else reads it.
pub(super) struct Tee(Rc<RefCell<Passing>>);

struct Passing {
    payload: Payload,
    /// Taken away by a failure: the digest of half a body says nothing.
    digest: Option<BodyDigest>,
    passed: u64,
    ended: bool,
}

impl Tee {
    pub(super) fn new(payload: Payload, digest: BodyDigest) -> Self {
        Self(Rc::new(RefCell::new(Passing { payload, digest: Some(digest), passed: 0, ended: false })))
    }

    /// The body for the one who reads it.
    pub(super) fn payload(&self) -> Payload {
        Payload::Stream { payload: Box::pin(Reader(Rc::clone(&self.0))) }
    }

    /// Reads what the reader left over (a form's reader stops at its last boundary), at most
    /// `limit` bytes, and gives the digest; `None` where the body did not come to its end.
    pub(super) async fn finish(self, limit: u64) -> Option<[u8; 32]> {
        let mut rest = Reader(Rc::clone(&self.0));
        let before = self.0.borrow().passed;
        while let Some(chunk) = rest.next().await {
            chunk.ok()?;
            if self.0.borrow().passed - before > limit {
                return None;
            }
        }
        let mut passing = self.0.borrow_mut();
        passing.digest.take().filter(|_| passing.ended).map(BodyDigest::finish)
    }
}

struct Reader(Rc<RefCell<Passing>>);

impl Stream for Reader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let passing = &mut *self.0.borrow_mut();
        if passing.ended {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(Pin::new(&mut passing.payload).poll_next(cx));
        match &next {
            Some(Ok(chunk)) => {
                passing.passed += chunk.len() as u64;
                if let Some(digest) = &mut passing.digest {
                    digest.update(chunk);
                }
            }
            Some(Err(_)) => passing.digest = None,
            None => passing.ended = true,
        }
        Poll::Ready(next)
    }
}

/// Reads up to `limit` bytes; what comes after them is given back unread.
pub(super) async fn read_start(
    mut payload: Payload,
    limit: usize,
) -> Result<(Bytes, Option<Payload>), Problem> {
    let mut start = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        start.extend_from_slice(&chunk.map_err(|e| payload_problem(&e))?);
        if start.len() > limit {
            return Ok((start.freeze(), Some(payload)));
        }
    }
    Ok((start.freeze(), None))
}

/// A body of what was read and what was not.
pub(super) fn put_back(start: Bytes, rest: Option<Payload>) -> Payload {
    match rest {
        None => Payload::from(start),
        Some(rest) => {
            let first = stream::once(async move { Ok::<_, PayloadError>(start) });
            Payload::Stream { payload: Box::pin(first.chain(rest)) }
        }
    }
}

/// An answer's body, read.
pub(super) enum Collected {
    /// All of it.
    Whole(Bytes),
    /// More than was wanted: a body with all of it, partly read already.
    TooLarge(BoxBody),
}

/// Reads an answer's body up to `limit` bytes.
pub(super) async fn collect(body: BoxBody, limit: usize) -> Result<Collected, actix_web::Error> {
    let size = body.size();
    let body = match body.try_into_bytes() {
        Ok(bytes) if bytes.len() <= limit => return Ok(Collected::Whole(bytes)),
        Ok(bytes) => return Ok(Collected::TooLarge(BoxBody::new(bytes))),
        Err(body) => body,
    };
    let mut body = Box::pin(body);
    let mut read: Vec<Bytes> = Vec::new();
    let mut len = 0;
    loop {
        let next = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        let Some(chunk) = next else {
            return Ok(Collected::Whole(Bytes::from(read.concat())));
        };
        let chunk = chunk.map_err(actix_web::error::ErrorInternalServerError)?;
        len += chunk.len();
        read.push(chunk);
        if len > limit {
            break;
        }
    }
    let rest = stream::poll_fn(move |cx| body.as_mut().poll_next(cx));
    let all = stream::iter(read.into_iter().map(Ok)).chain(rest);
    Ok(Collected::TooLarge(match size {
        BodySize::Sized(size) => BoxBody::new(SizedStream::new(size, all)),
        _ => BoxBody::new(BodyStream::new(all)),
    }))
}
