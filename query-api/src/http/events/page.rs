//! A page of the log.

use actix_web::HttpResponse;
use weir_events::{Filter, Position, Start, Wanted};
use weir_infra::{
    auth::{Caller, Viewer},
    http::{CloudEvent, Code, List, Params, Problem, position_header},
};

use crate::state::State;

/// Events of a page, unless a number is asked for, and at most.
const LIMITS: (usize, i64) = (50, 200);
/// Events that are looked at for a page: a filter that nothing passes must not read the whole log at once.
const LOOKED_AT: usize = 10_000;
/// Bytes of payload in a page, one event more or less.
const PAGE_BYTES: usize = 4 << 20;
/// Events that are read at a time.
const PIECE: usize = 500;

pub(super) async fn page(
    state: &State,
    caller: &Caller<Viewer>,
    mut params: Params,
    wanted: &Wanted,
    after: Option<u64>,
    head: Position,
) -> Result<HttpResponse, Problem> {
    let limit =
        params.number("limit", 1..=LIMITS.1).and_then(|n| usize::try_from(n).ok()).unwrap_or(LIMITS.0);
    let cursor: Option<u64> = params.take("cursor", "a cursor of this list");
    let mut at = Position(cursor.or(after).unwrap_or_default());
    if at > head {
        params.refuse("after", "ahead", format!("the last event of all is at position {head}"));
    }
    params.finish()?;
    let log = state.0.sources.tail.log();
    let filter = Filter::Workspace(caller.workspace);
    let (mut items, mut looked_at, mut bytes) = (Vec::new(), 0, 0);
    let next_cursor = loop {
        let page = log.read(&filter, Start::After(at), PIECE).await.map_err(unavailable)?;
        looked_at += page.events.len();
        let mut rest = page.events.iter();
        for event in rest.by_ref() {
            at = event.position;
            if wanted.takes_event(event) {
                items.push(CloudEvent::from(event));
                bytes += event.payload.len();
            }
            if items.len() == limit || bytes > PAGE_BYTES {
                break;
            }
        }
        let more = !page.end || rest.len() > 0;
        match (more, items.len() == limit || bytes > PAGE_BYTES || looked_at >= LOOKED_AT) {
            (false, _) => break None,
            (true, true) => break Some(at.to_string()),
            (true, false) => {}
        }
    };
    // A page that ends where the log does has everything up to there.
    let position = if next_cursor.is_none() { at.max(head) } else { at };
    let mut response = HttpResponse::Ok().json(List { items, next_cursor });
    position_header(&mut response, position);
    Ok(response)
}

/// The log does not answer.
pub(crate) fn unavailable(error: weir_events::Unavailable) -> Problem {
    let detail = "The event log does not answer. Ask again in a little while.";
    Problem::new(Code::LogUnavailable, detail).retry_after(std::time::Duration::from_secs(2)).cause(error)
}
