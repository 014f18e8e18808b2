//! Events as they happen.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use weir_events::{Position, Wanted, WorkspaceId};
use weir_infra::{
    auth::{Authenticator, Caller, Viewer},
    http::{Code, Problem, position_header},
};

use super::{EVENT_STREAM, page::unavailable};
use crate::{state::State, tail::Subscription};

/// How often a stream tells how far it is, and looks whether it may go on.
const BEAT: Duration = Duration::from_secs(10);
/// For how long that it may holds for events.
const TRUSTED: Duration = Duration::from_secs(1);

/// What a stream is allowed by.
pub(super) struct Token {
    authenticator: Authenticator,
    token: String,
    workspace: WorkspaceId,
    clock: fn() -> DateTime<Utc>,
}

impl Token {
    /// That of a request by this caller.
    ///
    /// # Errors
    /// When it has none, which the caller's extractor does not let pass.
    pub(super) fn of(
        req: &HttpRequest,
        authenticator: Authenticator,
        caller: &Caller<Viewer>,
        clock: fn() -> DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let header = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim().to_owned());
        let token = token.ok_or_else(|| Problem::internal("a caller without a token"))?;
        Ok(Self { authenticator, token, workspace: caller.workspace, clock })
    }

    /// Why it holds no longer, if so. What cannot be found out changes nothing.
    async fn refused(&self) -> Option<Problem> {
        let now = (self.clock)();
        let allowed = async {
            let identity = self.authenticator.authenticate(&self.token, now).await?;
            self.authenticator.authorize(&identity, Some(self.workspace)).await
        };
        allowed.await.err().filter(|problem| problem.code().status().is_client_error())
    }
}

/// A stream on its way.
struct Going {
    events: Subscription,
    token: Token,
    /// When the token was looked at last.
    looked: Instant,
    beat: Interval,
    closing: tokio_util::sync::CancellationToken,
    /// What goes out before anything else.
    greeting: Option<Bytes>,
    ended: bool,
}

pub(super) fn stream(
    state: &State,
    caller: &Caller<Viewer>,
    token: Token,
    wanted: Wanted,
    after: Option<Position>,
    head: Position,
) -> Result<HttpResponse, Problem> {
    let tail = &state.0.sources.tail;
    let after = after.unwrap_or(head);
    if after > head {
        let detail = format!("The last event of all is at position {head}.");
        return Err(Problem::new(Code::InvalidParameter, &*detail).field("after", "ahead", &*detail));
    }
    let most = state.0.options.streams;
    let events = tail.subscribe(caller.workspace, wanted, after, most).ok_or_else(|| {
        let detail = format!("{most} streams of this workspace's events are open already.");
        Problem::new(Code::TooManyStreams, detail).retry_after(Duration::from_secs(10))
    })?;
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Whoever comes back knows where it began, also when nothing has happened.
    let greeting = format!("retry: 1000\nid: {after}\n: events of the workspace {}\n\n", events.workspace());
    let going = Going {
        events,
        token,
        looked: Instant::now(),
        beat,
        closing: tail.closing().clone(),
        greeting: Some(greeting.into()),
        ended: false,
    };
    let body = stream::unfold(going, |mut going| async move {
        let piece = going.next().await?;
        Some((Ok::<_, actix_web::Error>(piece), going))
    });
    let mut response = HttpResponse::build(StatusCode::OK)
        .content_type(EVENT_STREAM)
        // Packing would hold events back until there are enough of them.
        .insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("identity")))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body);
    position_header(&mut response, after);
    Ok(response)
}

impl Going {
    /// Why it may not go on, if so.
    async fn refused(&mut self) -> Option<Problem> {
        self.looked = Instant::now();
        self.token.refused().await
    }

    /// The next piece, `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let before = self.events.position();
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {
                let why = Problem::new(Code::Busy, "The server stops. Come back in a moment.");
                Some(self.end(&why))
            }
            // Before events: where they come without a pause it is looked, too, whether the token still holds.
            _ = self.beat.tick() => Some(match self.refused().await {
                Some(problem) => self.end(&problem),
                None => format!("id: {}\n: still there\n\n", self.events.position()).into(),
            }),
            events = self.events.next() => Some(match events {
                Ok(events) => {
                    if self.looked.elapsed() >= TRUSTED
                        && let Some(problem) = self.refused().await
                    {
                        return Some(self.end_at(before, &problem));
                    }
                    let mut piece = BytesMut::new();
                    events.iter().for_each(|event| piece.extend_from_slice(&event.bytes));
                    piece.freeze()
                }
                Err(error) => self.end(&unavailable(error)),
            }),
        }
    }

    /// The last piece, from which one can go on.
    fn end(&mut self, why: &Problem) -> Bytes {
        self.end_at(self.events.position(), why)
    }

    fn end_at(&mut self, position: Position, why: &Problem) -> Bytes {
        self.ended = true;
        let data = serde_json::json!({"code": why.code().as_str(), "detail": why.detail()});
        format!("id: {position}\nevent: weir.stream.ended\ndata: {data}\n\n").into()
    }
}
