//! The outermost middleware: what is the same for every request and every answer.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};

use super::{Code, Methods, Problem, REQUEST_ID, TRACEPARENT, context::Trace, problem::MEDIA_TYPE};

/// Wraps the whole application: `App::new().wrap(from_fn(http::edge))`.
///
/// Finds out request id and trace context and answers with them, completes problems, turns
/// actix's own errors into problems, says 405 instead of 404 where [`Methods`] in the application's
/// data know the path, answers `If-None-Match: *`, sets security headers, and writes one line of
/// access log. Query strings and headers may hold secrets and are not logged.
///
/// # Errors
/// Those of the services inside. They carry the answer: a service that gave up took the request along.
pub async fn edge<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let start = Instant::now();
    plain_will_do(&mut req);
    let trace = Trace::read(req.headers());
    req.extensions_mut().insert(trace.clone());
    let authenticated = req.headers().contains_key(header::AUTHORIZATION);

    let (method, path) = (req.method().clone(), req.path().to_owned());
    let asked = Asked { trace, method, path, authenticated, start };

    let res = match next.call(req).await {
        Ok(res) => finish(res.map_into_boxed_body()),
        Err(error) => return Err(asked.given_up(error)),
    };
    let mut res = unchanged(other_methods(res));
    asked.complete(res.response_mut());
    Ok(res)
}

/// Takes away a wish for compression that leaves no answer at all, not even a plain one: `*;q=0`. HTTP
/// lets a server answer it as if it had not been there.
fn plain_will_do(req: &mut ServiceRequest) {
    let refuses = |wish: &str| {
        let (coding, weight) = wish.split_once(';').unwrap_or((wish, ""));
        let none = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()) == Some(0.0);
        none && ["*", "identity"].contains(&coding.trim())
    };
    let mut wishes = req.headers().get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    if wishes.any(|value| value.split(',').any(refuses)) {
        req.headers_mut().remove(header::ACCEPT_ENCODING);
    }
}

/// What an answer is completed with.
struct Asked {
    trace: Trace,
    method: Method,
    path: String,
    authenticated: bool,
    start: Instant,
}

impl Asked {
    /// The same error with the answer that the caller gets.
    fn given_up(&self, error: actix_web::Error) -> actix_web::Error {
        let problem = match error.as_error::<Problem>() {
            Some(problem) => problem.clone(),
            None => {
                let status = error.as_response_error().status_code();
                from_status(status, &self.method, &self.path, Some(&error.to_string()))
            }
        };
        let mut res = problem.at(&self.path).error_response();
        self.complete(&mut res);
        InternalError::from_response(error, res).into()
    }

    /// Headers and access log.
    fn complete(&self, res: &mut HttpResponse) {
        let headers = res.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(REQUEST_ID, &self.trace.correlation.to_string());
        set(TRACEPARENT, &self.trace.traceparent);
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
            if self.authenticated || self.path.starts_with("/api/") {
                let value = if tagged { "private, no-cache" } else { "no-store" };
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
            }
        }
        self.log(res);
    }

    fn log(&self, res: &HttpResponse) {
        let Self { trace, method, path, start, .. } = self;
        let status = res.status();
        let elapsed_ms = start.elapsed().as_secs_f64() * 1000.0;
        if let Some(cause) = res.extensions().get::<Problem>().and_then(Problem::log_cause) {
            if status.is_server_error() {
                tracing::error!(correlation = %trace.correlation, %method, path,
                    status = status.as_u16(), cause, "request failed");
            } else {
                tracing::debug!(correlation = %trace.correlation, path, cause, "request refused");
            }
        }
        tracing::info!(
            target: "weir::access",
            correlation = %trace.correlation,
            %method,
            path,
            status = status.as_u16(),
            elapsed_ms,
            "request"
        );
    }
}

/// Says that the path is there with other methods, where nothing was found with this one.
fn other_methods(res: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let req = res.request();
    let code = res.response().extensions().get::<Problem>().map(Problem::code);
    if !matches!(code, Some(Code::NotFound | Code::MethodNotAllowed)) {
        return res;
    }
    let problem = match req.app_data::<Methods>().and_then(|methods| methods.at(req.path())) {
        Some(methods) if !methods.contains(req.method()) => {
            Problem::new(Code::MethodNotAllowed, not_possible(req.method(), req.path())).allow(methods)
        }
        _ => return res,
    };
    let (req, _) = res.into_parts();
    finish(ServiceResponse::new(req, problem.error_response()))
}

/// `If-None-Match: *` wants an answer only where there is nothing (RFC 9110, 13.1.2).
fn unchanged(mut res: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let req = res.request();
    let any = req.headers().get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes().trim_ascii() == b"*");
    let read = *req.method() == Method::GET || *req.method() == Method::HEAD;
    if !any || !read || res.status() != StatusCode::OK {
        return res;
    }
    *res.response_mut().status_mut() = StatusCode::NOT_MODIFIED;
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_DISPOSITION] {
        res.headers_mut().remove(name);
    }
    res.map_body(|_, _| BoxBody::new(()))
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
        // Whatever it was packed with went with the old body.
        res.headers_mut().remove(header::CONTENT_ENCODING);
        return res.map_body(|_, _| BoxBody::new(body));
    }
    let kind = res.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let foreign = matches!(res.response().body().size(), BodySize::None | BodySize::Sized(0))
        || (kind.starts_with("text/plain") && res.response().error().is_some());
    if !foreign || kind.starts_with(MEDIA_TYPE) || res.request().method() == Method::HEAD {
        return res;
    }
    let cause = res.response().error().map(ToString::to_string);
    let problem = from_status(status, res.request().method(), &path, cause.as_deref()).at(&path);
    let body = problem.to_bytes();
    let mut res = res.map_body(|_, _| BoxBody::new(body));
    res.headers_mut().remove(header::CONTENT_ENCODING);
    res.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    *res.response_mut().status_mut() = problem.status_code();
    res.response_mut().extensions_mut().insert(problem);
    res
}

fn from_status(status: StatusCode, method: &Method, path: &str, cause: Option<&str>) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, format!("There is nothing at {path}.")),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed, not_possible(method, path)),
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

fn not_possible(method: &Method, path: &str) -> String {
    format!("{method} is not possible at {path}.")
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
        body::to_bytes,
        middleware::from_fn,
        test::{TestRequest, call_service, init_service, read_body_json, try_call_service},
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

    #[actix_web::test]
    async fn a_service_that_gives_up_is_answered_like_all_others() {
        async fn give_up(
            req: ServiceRequest,
            _: Next<BoxBody>,
        ) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
            Err(match req.path() {
                "/internal" => actix_web::error::ErrorInternalServerError("10.0.0.7 went away"),
                _ => Problem::new(Code::Busy, "Later.").into(),
            })
        }
        let app = init_service(App::new().wrap(from_fn(give_up)).wrap(from_fn(edge))).await;
        for (path, status, code) in [("/internal", 500, "internal"), ("/api/v1/busy", 503, "busy")] {
            let answer = try_call_service(&app, TestRequest::with_uri(path).to_request()).await;
            let res = HttpResponse::from_error(answer.map(drop).unwrap_err());
            assert_eq!(res.status(), status);
            assert!(res.headers().contains_key(REQUEST_ID) && res.headers().contains_key("x-frame-options"));
            let body = to_bytes(res.into_body()).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["code"], &body["instance"]), (&code.into(), &path.into()));
            assert!(!body.to_string().contains("10.0.0.7"));
        }
    }

    #[actix_web::test]
    async fn a_path_that_is_there_says_with_which_methods() {
        use crate::http::{Path, not_found, read};

        #[utoipa::path(get, path = "/things/{id}", params(("id" = u8, Path)))]
        async fn get(_: Path<u8>) -> &'static str {
            "a thing"
        }
        #[utoipa::path(delete, path = "/things/{id}", params(("id" = u8, Path)))]
        async fn delete(_: Path<u8>) -> &'static str {
            "gone"
        }
        #[utoipa::path(post, path = "/things/suggest")]
        async fn suggest() -> &'static str {
            "another thing"
        }
        #[derive(utoipa::OpenApi)]
        #[openapi(paths(get, delete, suggest))]
        struct Document;

        let app = init_service(
            App::new()
                .wrap(from_fn(edge))
                .app_data(Methods::of(&<Document as utoipa::OpenApi>::openapi()))
                .route("/things/suggest", web::post().to(suggest))
                .route("/things/{id}", web::delete().to(delete))
                .configure(|cfg| read(cfg, "/things/{id}", get))
                .default_service(web::to(not_found)),
        )
        .await;
        for (method, path, status, allow) in [
            (Method::GET, "/things/1", 200, ""),
            (Method::HEAD, "/things/1", 200, ""),
            (Method::DELETE, "/things/1", 200, ""),
            (Method::POST, "/things/1", 405, "GET, HEAD, DELETE"),
            (Method::OPTIONS, "/things/1", 405, "GET, HEAD, DELETE"),
            (Method::PUT, "/things/none", 405, "GET, HEAD, DELETE"),
            (Method::GET, "/things/none", 404, ""),
            (Method::POST, "/things/suggest", 200, ""),
            (Method::GET, "/things/suggest", 405, "POST"),
            (Method::DELETE, "/things/suggest", 405, "POST"),
            (Method::POST, "/things", 404, ""),
        ] {
            let req = TestRequest::with_uri(path).method(method.clone());
            let res = call_service(&app, req.to_request()).await;
            assert_eq!(res.status(), status, "{method} {path}");
            let allowed = res.headers().get(header::ALLOW).map_or("", |v| v.to_str().unwrap());
            assert_eq!(allowed, allow, "{method} {path}");
            if status == 405 {
                assert_eq!(res.headers().get(header::CONTENT_TYPE).unwrap(), MEDIA_TYPE);
                let body: Value = read_body_json(res).await;
                assert_eq!((&body["code"], &body["instance"]), (&"method_not_allowed".into(), &path.into()));
            }
        }
    }

    #[actix_web::test]
    async fn any_answer_is_known_to_who_says_so() {
        async fn made() -> HttpResponse {
            HttpResponse::Created().json("new")
        }
        let app = init_service(
            App::new()
                .wrap(from_fn(edge))
                .route("/there", web::get().to(async || HttpResponse::Ok().json("rows")))
                .route("/there", web::post().to(made))
                .default_service(web::to(not_found)),
        )
        .await;
        for (req, tags, status) in [
            (TestRequest::get().uri("/there"), "*", 304),
            (TestRequest::get().uri("/there"), " * ", 304),
            (TestRequest::get().uri("/there"), "\"*\"", 200),
            (TestRequest::get().uri("/nowhere"), "*", 404),
            (TestRequest::post().uri("/there"), "*", 201),
        ] {
            let req = req.insert_header((header::IF_NONE_MATCH, tags)).to_request();
            let res = call_service(&app, req).await;
            assert_eq!(res.status(), status, "{tags}");
            if status == 304 {
                assert!(!res.headers().contains_key(header::CONTENT_TYPE));
                assert!(actix_web::test::read_body(res).await.is_empty());
            }
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
