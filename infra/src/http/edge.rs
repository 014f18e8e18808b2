//! The outermost middleware: what is the same for every request and every answer.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};

use super::{Code, Problem, REQUEST_ID, TRACEPARENT, context::Trace, problem::MEDIA_TYPE};

/// Wraps the whole application: `App::new().wrap(from_fn(http::edge))`.
///
/// Finds out request id and trace context and answers with them, completes problems, turns
/// actix's own errors into problems, sets security headers, and writes one line of access log.
/// Query strings and headers may hold secrets and are not logged.
///
/// # Errors
/// Those of the services inside.
pub async fn edge<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let start = Instant::now();
    let trace = Trace::read(req.headers());
    req.extensions_mut().insert(trace.clone());
    let authenticated = req.headers().contains_key(header::AUTHORIZATION);

    let mut res = finish(next.call(req).await?.map_into_boxed_body());

    let headers = res.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(REQUEST_ID, &trace.correlation.to_string());
    set(TRACEPARENT, &trace.traceparent);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        // A read with an ETag may be kept by its own client, to be asked for again with it.
        let tagged = headers.contains_key(header::ETAG);
        if authenticated || res.request().path().starts_with("/api/") {
            let value = if tagged { "private, no-cache" } else { "no-store" };
            res.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
        }
    }
    access_log(&res, &trace, start);
    Ok(res)
}

fn access_log(res: &ServiceResponse<BoxBody>, trace: &Trace, start: Instant) {
    let req = res.request();
    let status = res.status();
    let elapsed_ms = start.elapsed().as_secs_f64() * 1000.0;
    if let Some(cause) = res.response().extensions().get::<Problem>().and_then(Problem::log_cause) {
        if status.is_server_error() {
            tracing::error!(correlation = %trace.correlation, method = %req.method(), path = req.path(),
                status = status.as_u16(), cause, "request failed");
        } else {
            tracing::debug!(correlation = %trace.correlation, path = req.path(), cause, "request refused");
        }
    }
    tracing::info!(
        target: "weir::access",
        correlation = %trace.correlation,
        method = %req.method(),
        path = req.path(),
        status = status.as_u16(),
        elapsed_ms,
        "request"
    );
}

/// Completes a problem with the path, and makes a problem of an error that is none yet.
pub(super) fn finish(mut res: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = res.status();
    if !status.is_client_error() && !status.is_server_error() {
        return res;
    }
    let path = res.request().path().to_owned();
    let known = res.response().extensions().get::<Problem>().cloned();
    if let Some(problem) = known {
        let problem = problem.at(&path);
        let body = problem.to_bytes();
        res.response_mut().extensions_mut().insert(problem);
        return res.map_body(|_, _| BoxBody::new(body));
    }
    let kind = res.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let foreign = matches!(res.response().body().size(), BodySize::None | BodySize::Sized(0))
        || (kind.starts_with("text/plain") && res.response().error().is_some());
    if !foreign || kind.starts_with(MEDIA_TYPE) || res.request().method() == actix_web::http::Method::HEAD {
        return res;
    }
    let cause = res.response().error().map(ToString::to_string);
    let problem = from_status(status, res.request(), cause.as_deref()).at(&path);
    let body = problem.to_bytes();
    let mut res = res.map_body(|_, _| BoxBody::new(body));
    res.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    *res.response_mut().status_mut() = problem.status_code();
    res.response_mut().extensions_mut().insert(problem);
    res
}

fn from_status(status: StatusCode, req: &HttpRequest, cause: Option<&str>) -> Problem {
    let path = req.path();
    match status {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, format!("There is nothing at {path}.")),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::MethodNotAllowed, format!("{} is not possible at {path}.", req.method()))
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::PayloadTooLarge, "The body is larger than is allowed here.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::new(Code::UnsupportedMediaType, "The body's media type is not supported here.")
        }
        StatusCode::REQUEST_TIMEOUT => {
            Problem::new(Code::RequestTimeout, "The request took too long to arrive.")
        }
        status if status.is_server_error() => Problem::internal(cause.unwrap_or("an error without a cause")),
        _ => Problem::new(Code::BadRequest, "The request cannot be understood.")
            .cause(cause.unwrap_or_default()),
    }
}

/// The default service: there is nothing here.
///
/// # Errors
/// Always, with `not_found`.
pub async fn not_found(req: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::new(Code::NotFound, format!("There is nothing at {}.", req.path())))
}

/// The proxies in front of Weir, as application data; without it those on this machine.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpAddr>);

/// The address that a request came from: the peer's. `X-Forwarded-For` can be written by anyone,
/// so it counts only when the peer is on this machine or one of [`TrustedProxies`], and then its
/// last entry, which is the one that this proxy wrote.
pub fn client_address(req: &HttpRequest) -> IpAddr {
    let peer = req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip()).to_canonical();
    let trusted = req.app_data::<TrustedProxies>();
    let behind_proxy = peer.is_loopback() || trusted.is_some_and(|t| t.0.contains(&peer));
    if !behind_proxy {
        return peer;
    }
    req.headers()
        .get_all(header::X_FORWARDED_FOR)
        .last()
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.rsplit(',').next())
        .and_then(|v| v.trim().parse().ok())
        .unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        middleware::from_fn,
        test::{TestRequest, call_service, init_service, read_body_json},
        web,
    };
    use serde_json::Value;

    use super::*;

    async fn fails() -> Result<HttpResponse, Problem> {
        Err(Problem::internal("the secret inside"))
    }

    async fn large(_: web::Bytes) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    #[actix_web::test]
    async fn every_error_is_a_problem() {
        let app = init_service(
            App::new()
                .wrap(from_fn(edge))
                .app_data(web::PayloadConfig::new(4))
                .route("/fails", web::get().to(fails))
                .service(web::resource("/large").route(web::post().to(large))),
        )
        .await;
        for (req, status, code) in [
            (TestRequest::get().uri("/nowhere?token=x"), 404, "not_found"),
            (TestRequest::get().uri("/large"), 405, "method_not_allowed"),
            (TestRequest::post().uri("/large").set_payload("12345"), 413, "payload_too_large"),
            (TestRequest::get().uri("/fails"), 500, "internal"),
        ] {
            let res = call_service(&app, req.to_request()).await;
            assert_eq!(res.status(), status, "{code}");
            assert_eq!(res.headers().get("content-type").unwrap(), MEDIA_TYPE, "{code}");
            assert_eq!(res.headers().get("x-content-type-options").unwrap(), "nosniff");
            assert!(res.headers().contains_key("x-request-id"));
            let path = res.request().path().to_owned();
            let body: Value = read_body_json(res).await;
            assert_eq!(body["code"], code);
            assert_eq!(body["instance"], path);
            assert!(!body.to_string().contains("secret"));
        }
    }

    #[test]
    fn the_proxys_word_counts_only_from_nearby() {
        let address = |peer: &str, forwarded: &str| {
            let req = TestRequest::default()
                .peer_addr(peer.parse().unwrap())
                .insert_header(("x-forwarded-for", forwarded))
                .app_data(TrustedProxies(vec![IpAddr::from([10, 0, 0, 8])]))
                .to_http_request();
            client_address(&req).to_string()
        };
        assert_eq!(address("203.0.113.7:1", "198.51.100.1"), "203.0.113.7");
        assert_eq!(address("10.0.0.7:1", "198.51.100.1"), "10.0.0.7");
        assert_eq!(address("10.0.0.8:1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(address("127.0.0.1:1", "1.2.3.4, 198.51.100.1"), "198.51.100.1");
        assert_eq!(address("127.0.0.1:1", "rubbish"), "127.0.0.1");
    }
}
