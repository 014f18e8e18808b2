//! `Idempotency-Key`: a repeated request gets the first one's answer.
//!
//! [`guard`] wraps the application inside [`super::edge`] and inside compression:
//!
//! ```text
//! App::new().app_data(web::Data::new(replies)).wrap(from_fn(guard)).wrap(Compress::default()).wrap(from_fn(edge))
//! ```
//!
//! A keyed POST first claims its key in a JetStream bucket, runs, and leaves its answer there for
//! 24 hours. A repetition with the same content gets that answer; one with other content is
//! refused; one that comes while the first still runs is told to wait. Answers are sealed: they
//! can hold tokens and rows.
//!
//! The claim is a lease of seconds, renewed while the request runs. When Weir dies in the middle,
//! the lease runs out and the repetition runs again. It makes nothing twice because everything
//! that a keyed request makes has an id derived from the key ([`IdempotencyKey::derive`]).
//!
//! Answers that say 'not now' or 'not you' (401, 403, 408, 409, 429, 5xx) are not kept: nothing
//! was done, so the repetition is decided anew. Neither are answers over 1 MiB, nor any for which
//! the bucket has no room ([`Options::max_bytes`]): their repetition runs again under the same ids.

mod body;
mod digest;
mod key;
mod reply;
mod store;

pub use key::IdempotencyKey;
pub use store::{OpenError, Options, ReplyStore};

use std::time::Duration;

use actix_web::{
    HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    web,
};
use bytes::Bytes;

use self::{
    body::{Collected, Tee},
    digest::BodyDigest,
    store::Claim,
};
use super::{Code, Problem, client_address, edge::finish};
use crate::auth::{Authenticator, requested_workspace};

/// How much of a request without a known caller is read to find out whose it is, in bytes.
const ANONYMOUS_LIMIT: usize = 64 * 1024;
/// The largest answer that is kept, in bytes.
const REPLY_LIMIT: usize = 1024 * 1024;
/// How much of a refused request's rest is read to know its content whole, in bytes.
const REST_LIMIT: u64 = 64 * 1024;

/// The middleware. Needs `web::Data<ReplyStore>` and `web::Data<Authenticator>`.
///
/// # Errors
/// Those of the services inside.
pub async fn guard<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if req.method() != Method::POST || !req.headers().contains_key(key::HEADER) {
        return Ok(next.call(req).await?.map_into_boxed_body());
    }
    let known = req.headers().contains_key(header::AUTHORIZATION);
    let caller = match caller(&mut req).await {
        Ok(Some(caller)) => caller,
        // Who may not ask at all, or asks without saying for whom: the handler says so.
        Ok(None) => return Ok(next.call(req).await?.map_into_boxed_body()),
        Err(problem) => return Ok(req.error_response(problem)),
    };
    let key = match IdempotencyKey::read(req.headers(), req.method(), req.path(), &caller) {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(next.call(req).await?.map_into_boxed_body()),
        Err(problem) => return Ok(req.error_response(problem)),
    };
    let Some(replies) = req.app_data::<web::Data<ReplyStore>>().cloned() else {
        return Ok(req.error_response(Problem::internal("the application has no ReplyStore")));
    };
    let claim = if known || replies.admits(client_address(req.request())).await {
        replies.claim(&key).await
    } else {
        Ok(Claim::NoRoom)
    };
    match claim {
        Ok(Claim::Mine(lease)) => run(req, next, key, &replies, lease).await,
        // Nothing remembers this request, but what it makes still has the ids of its key.
        Ok(Claim::NoRoom) => {
            req.extensions_mut().insert(key);
            Ok(next.call(req).await?.map_into_boxed_body())
        }
        Ok(Claim::Running) => Ok(req.error_response(in_progress())),
        Ok(Claim::Done(stored)) => match replay(&mut req, &replies, stored).await {
            Ok(response) => Ok(req.into_response(response)),
            Err(problem) => Ok(req.error_response(problem)),
        },
        Err(problem) => Ok(req.error_response(problem)),
    }
}

fn in_progress() -> Problem {
    Problem::new(
        Code::RequestInProgress,
        "The first request with this Idempotency-Key has not been answered yet. Try again in a moment.",
    )
    .retry_after(Duration::from_secs(1))
}

/// Whose key it is: user and workspace, or for a request without a token what its body says.
/// `None` where the handler will refuse it anyway.
///
/// # Errors
/// Where it cannot be found out at the moment: the handler might, and would then run unguarded.
async fn caller(req: &mut ServiceRequest) -> Result<Option<Vec<u8>>, Problem> {
    if req.headers().contains_key(header::AUTHORIZATION) {
        let Some(authenticator) = req.app_data::<web::Data<Authenticator>>().cloned() else {
            return Err(Problem::internal("the application has no Authenticator"));
        };
        let found = async {
            let identity = authenticator.identify(req.request()).await?;
            let requested = requested_workspace(req.request())?;
            // Someone who left a workspace gets nothing out of it any more, old answers included.
            let (workspace, _) = authenticator.authorize(&identity, requested).await?;
            Ok::<_, Problem>((identity, workspace))
        };
        let (identity, workspace) = match found.await {
            Ok(found) => found,
            Err(problem) if problem.code().status().is_server_error() => return Err(problem),
            Err(_) => return Ok(None),
        };
        return Ok(Some([b"user" as &[u8], identity.user().0.as_bytes(), workspace.0.as_bytes()].concat()));
    }
    anonymous(req).await
}

/// A request without a token is scoped by the e-mail address in it, so that strangers who choose
/// the same key do not meet; where there is none, by its whole content.
async fn anonymous(req: &mut ServiceRequest) -> Result<Option<Vec<u8>>, Problem> {
    #[derive(serde::Deserialize)]
    struct Named {
        email: String,
    }
    let payload = req.take_payload();
    let (start, rest) = body::read_start(payload, ANONYMOUS_LIMIT).await?;
    let scope = rest.is_none().then(|| match serde_json::from_slice::<Named>(&start) {
        Ok(named) => key::digest(&[b"anonymous, e-mail", named.email.trim().to_lowercase().as_bytes()]),
        Err(_) => key::digest(&[b"anonymous, body", &start]),
    });
    req.set_payload(body::put_back(start, rest));
    Ok(scope.map(|s| s.to_vec()))
}

/// Runs the request for the first time, as far as is known, and keeps its answer.
async fn run<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
    key: IdempotencyKey,
    replies: &ReplyStore,
    lease: store::Lease,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let digest = BodyDigest::of(req.request());
    let tee = Tee::new(req.take_payload(), digest);
    req.set_payload(tee.payload());
    req.extensions_mut().insert(key);

    // Dropping the lease (an error, a caller who went away) frees the key.
    let res = finish(next.call(req).await?.map_into_boxed_body());
    if !kept(res.status()) {
        lease.release().await;
        return Ok(res);
    }
    let limit = if res.status().is_success() { u64::MAX } else { REST_LIMIT };
    let request = tee.finish(limit).await;
    let (req, res) = res.into_parts();
    let (res, body) = res.into_parts();
    let body = match body::collect(body, REPLY_LIMIT).await {
        Ok(Collected::Whole(bytes)) => bytes,
        Err(error) => {
            lease.release().await;
            let failed = finish(ServiceResponse::from_err(error, req));
            return Ok(failed);
        }
        Ok(Collected::TooLarge(body)) => {
            lease.release().await;
            return Ok(ServiceResponse::new(req, res.set_body(body)));
        }
    };
    match request {
        Some(request) => {
            let reply = reply::Head::of(&res, request);
            if let Err(problem) = replies.keep(lease, reply, body.clone()).await {
                // It was done, so the caller gets the answer; a repetition runs again, under the
                // same ids.
                tracing::warn!(error = %problem, "the answer to a keyed request could not be kept");
            }
        }
        None => lease.release().await,
    }
    Ok(ServiceResponse::new(req, res.set_body(BoxBody::new(body))))
}

/// Whether an answer is final. The others say 'not now' or 'not you', after nothing was done.
fn kept(status: StatusCode) -> bool {
    !status.is_server_error()
        && !matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::TOO_MANY_REQUESTS
        )
}

/// Answers a repetition, once its content is known to be the same.
async fn replay(
    req: &mut ServiceRequest,
    replies: &ReplyStore,
    stored: store::Stored,
) -> Result<actix_web::HttpResponse, Problem> {
    let digest = BodyDigest::of(req.request());
    let tee = Tee::new(req.take_payload(), digest);
    let Some(request) = tee.finish(u64::MAX).await else {
        return Err(Problem::new(Code::BadRequest, "The body ended before it was complete."));
    };
    if request != stored.head.request {
        return Err(Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before. Use a new key for a new request.",
        ));
    }
    let Some(body) = replies.body(&stored).await? else {
        // A part of it ran out a moment before the rest.
        return Err(in_progress());
    };
    stored.head.response(Bytes::from(body))
}

#[cfg(test)]
mod tests;
