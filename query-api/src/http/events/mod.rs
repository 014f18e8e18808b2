//! `GET /api/v1/events`: the workspace's events, as they happen or page by page.

mod page;
mod stream;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;
use weir_events::{Position, Stored, Wanted, wanted::Unknown};
use weir_infra::{
    auth::{Authenticator, Caller, Viewer},
    http::{CloudEvent, Code, MinPosition, Params, Problem, accepted, params::MIN_POSITION},
};

pub(crate) use self::page::unavailable;
use crate::{http::Unanswered, state::State};

/// The header in which a stream that broke off says how far it came.
const LAST_EVENT_ID: &str = "last-event-id";
/// The media type of streams.
const EVENT_STREAM: &str = "text/event-stream";

/// An event as a piece of an event stream.
pub(crate) fn frame(event: &Stored) -> Bytes {
    let event = CloudEvent::from(event);
    // JSON has no line breaks of its own, and a type none at all.
    let data = serde_json::to_string(&event).unwrap_or_default();
    let kind: String = event.kind.chars().filter(|c| !c.is_control()).collect();
    format!("id: {}\nevent: {kind}\ndata: {data}\n\n", event.position).into()
}

/// Takes which events are wanted out of the parameters.
fn wanted(params: &mut Params) -> Wanted {
    let list = |text: Option<String>| -> Vec<String> {
        text.iter()
            .flat_map(|t| t.split(','))
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
            .collect()
    };
    let (types, aggregates) = (list(params.text("types")), list(params.text("aggregates")));
    Wanted::new(types, aggregates).unwrap_or_else(|wrong| {
        for Unknown { field, code, detail } in wrong {
            params.refuse(field, code, detail);
        }
        Wanted::default()
    })
}

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub(crate) struct Query {
    /// Begins after this position; 0 begins with the first event of all. Without it a page begins there too, and a
    /// stream with what happens from now on.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// Only events of these types, with commas between; a beginning will do: `weir.dataset`.
    types: Option<String>,
    /// Only events of these things, with commas between: `dataset`, or `dataset/` and an id.
    aggregates: Option<String>,
    /// The most events of a page; 50 unless said otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended, as `next_cursor` there.
    cursor: Option<String>,
    /// Fails where the log has not got that far; the same as the header `Weir-Min-Position`.
    #[param(minimum = 0)]
    min_position: Option<u64>,
}

/// Follow the workspace's events, or read them page by page
///
/// With `Accept: text/event-stream` events come as they happen, each as a CloudEvent with its position as the id. A
/// stream that breaks off goes on where it was, without gap or repeat, by `Last-Event-ID`, which browsers send by
/// themselves; every ten seconds it tells how far it is, whatever it leaves out. It ends when the token no longer holds,
/// and when the server stops. Otherwise the answer is a page of the log.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "events",
    operation_id = "list_events",
    params(
        Query,
        ("Last-Event-ID" = Option<u64>, Header, description = "Where a stream broke off; goes before `after`"),
    ),
    responses(
        (status = 200, description = "The events", content(
            (weir_infra::http::List<CloudEvent> = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 406, description = "`not_acceptable`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_streams`", body = Problem, content_type = "application/problem+json"),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller<Viewer>,
    state: web::Data<State>,
    authenticator: web::Data<Authenticator>,
    minimum: MinPosition,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::parse(req.query_string());
    params.text(MIN_POSITION);
    let wanted = wanted(&mut params);
    let after: Option<u64> = params.take("after", "a position");
    let forms = [(false, "application/json"), (true, EVENT_STREAM)];
    let live = accepted(req.headers(), &forms).ok_or_else(|| {
        Problem::new(Code::NotAcceptable, "There are application/json and text/event-stream.")
    })?;
    let head = state.0.sources.tail.log().head().await.map_err(unavailable)?;
    if minimum.0.is_some_and(|minimum| minimum > head) {
        let detail = format!("The event log ends at position {head} so far.");
        return Err(Problem::new(Code::PositionNotReached, detail).retry_after(Duration::from_secs(1)));
    }
    if !live {
        return page::page(&state, &caller, params, &wanted, after, head).await;
    }
    params.finish()?;
    let last = req.headers().get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let last = match last.map(str::trim).filter(|text| !text.is_empty()) {
        None => after,
        Some(text) => Some(text.parse().map_err(|_| {
            let detail = "Last-Event-ID is no position.";
            Problem::new(Code::InvalidParameter, detail).field("Last-Event-ID", "invalid", detail)
        })?),
    };
    let token = stream::Token::of(&req, authenticator.get_ref().clone(), &caller, state.0.sources.clock)?;
    stream::stream(&state, &caller, token, wanted, last.map(Position), head)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn asked(query: &str) -> Result<Wanted, Problem> {
        let mut params = Params::parse(query);
        let wanted = wanted(&mut params);
        params.finish().map(|()| wanted)
    }

    #[test]
    fn types_and_aggregates_choose_by_whole_words() {
        let one = Uuid::from_u128(1);
        let takes = |query: &str, kind: &str| asked(query).unwrap().takes(kind, &format!("dataset/{one}"));
        for (query, taken) in [
            ("", true),
            ("types=weir.dataset.uploaded.v1", true),
            ("types=weir.query,weir.dataset", true),
            ("types=weir", true),
            ("types=weir.data", false),
            ("types=weir.dataset.uploaded.v2", false),
            ("aggregates=dataset", true),
            ("aggregates=query", false),
            (&format!("aggregates=query,dataset/{one}"), true),
            (&format!("aggregates=dataset/{}", Uuid::from_u128(2)), false),
            ("types=weir.dataset&aggregates=query", false),
        ] {
            assert_eq!(takes(query, "weir.dataset.uploaded.v1"), taken, "{query}");
        }
        for bad in ["types=dataset", "aggregates=table", "aggregates=dataset/"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
        assert!(asked(&format!("types={}", vec!["weir.a"; 51].join(","))).is_err());
    }
}
