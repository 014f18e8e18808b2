//! Extractors whose errors are problems that say where to look.

use std::ops::Deref;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, dev::Payload, error::PayloadError, http::header, web,
};
use bytes::BytesMut;
use futures::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};

use super::{Code, Place, Problem};

/// How large a JSON body may be, in bytes, where the application sets no [`JsonLimit`].
const JSON_LIMIT: usize = 1024 * 1024;

/// How large a JSON body may be, in bytes. As application data it changes the default of 1 MiB.
#[derive(Debug, Clone, Copy)]
pub struct JsonLimit(pub usize);

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = req.app_data::<JsonLimit>().map_or(JSON_LIMIT, |l| l.0);
        let checked = check_json_headers(req);
        let payload = payload.take();
        Box::pin(async move {
            checked?;
            let body = read_body(payload, limit).await?;
            serde_json::from_slice(&body).map(Self).map_err(|e| json_problem(&e, &body))
        })
    }
}

fn check_json_headers(req: &HttpRequest) -> Result<(), Problem> {
    let kind = req.content_type();
    let json = kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json");
    if !json {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            format!("The body must be JSON, with Content-Type: application/json; it came as {kind:?}."),
        ));
    }
    match req.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(Problem::new(Code::UnsupportedMediaType, "A JSON body must not be compressed.")),
    }
}

async fn read_body(mut payload: Payload, limit: usize) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| payload_problem(&e))?;
        if body.len() + chunk.len() > limit {
            return Err(Problem::new(
                Code::PayloadTooLarge,
                format!("The body is larger than the {limit} bytes that are allowed here."),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn json_problem(e: &serde_json::Error, body: &[u8]) -> Problem {
    use serde_json::error::Category;
    let (line, column) = (e.line() as u64, e.column() as u64);
    let text = e.to_string();
    // The position stands in fields of its own.
    let sentence = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    let place = Place {
        field: backticked(sentence),
        line: (line > 0).then_some(line),
        column: (line > 0).then_some(column),
        ..Place::default()
    };
    if body.is_empty() {
        return Problem::new(Code::MalformedJson, "The body is empty; JSON is expected.");
    }
    match e.classify() {
        Category::Data => {
            let code = if sentence.starts_with("missing field") {
                "missing"
            } else if sentence.starts_with("unknown field") {
                "unknown"
            } else {
                "wrong_type"
            };
            // Only a missing or an unknown field is named; elsewhere the backticks hold a value.
            let field = if code == "wrong_type" { None } else { place.field };
            Problem::new(Code::InvalidBody, format!("The body does not have the expected form: {sentence}."))
                .place(Place { field, code: code.into(), detail: sentence.to_owned(), ..place })
        }
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::new(Code::MalformedJson, format!("The body is not JSON: {sentence}.")).place(Place {
                field: None,
                code: "syntax".into(),
                detail: sentence.to_owned(),
                ..place
            })
        }
    }
}

fn backticked(sentence: &str) -> Option<String> {
    sentence.split('`').nth(1).map(str::to_owned)
}

/// A request body that could not be read to its end, as a problem.
pub fn payload_problem(e: &PayloadError) -> Problem {
    match e {
        PayloadError::Overflow => {
            Problem::new(Code::PayloadTooLarge, "The body is larger than is allowed here.")
        }
        PayloadError::Incomplete(_) => {
            Problem::new(Code::BadRequest, "The body ended before it was complete.").cause(e)
        }
        e => Problem::new(Code::BadRequest, "The body could not be read.").cause(e),
    }
}

/// A multipart form that could not be read, as a problem. Takes anything that says what is wrong
/// and the payload error behind it, if there is one.
pub fn multipart_problem(e: &dyn std::error::Error) -> Problem {
    if let Some(payload) = e.source().and_then(|s| s.downcast_ref::<PayloadError>()) {
        return payload_problem(payload);
    }
    let detail = format!("The multipart form cannot be read: {e}.");
    Problem::new(Code::MalformedMultipart, detail.clone()).place(Place {
        field: Some("body".to_owned()),
        code: "multipart".into(),
        detail,
        ..Place::default()
    })
}

/// The query string, by name.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match web::Query::<T>::from_query(req.query_string()) {
            Ok(query) => Ok(Self(query.into_inner())),
            Err(e) => {
                let text = e.to_string();
                let sentence =
                    text.rsplit_once("Query deserialize error: ").map_or(text.as_str(), |(_, s)| s);
                let problem = Problem::new(
                    Code::InvalidParameter,
                    format!("A query parameter does not have the expected form: {sentence}."),
                );
                Err(match backticked(sentence) {
                    Some(field) => problem.field(field, "invalid", sentence),
                    None => problem,
                })
            }
        })
    }
}

/// The query string as name and value pairs, decoded, in order.
#[derive(Debug, Clone, Default)]
pub struct RawQuery(pub Vec<(String, String)>);

impl FromRequest for RawQuery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(req.query_string());
        ready(
            pairs
                .map(|p| Self(p.into_inner()))
                .map_err(|_| Problem::new(Code::InvalidParameter, "The query string cannot be read.")),
        )
    }
}

/// The variable parts of the path. What does not fit (an id that is no UUID) names nothing that
/// could be there, and is answered like anything that is not there.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Path<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(match web::Path::<T>::from_request(req, payload).into_inner() {
            Ok(path) => Ok(Self(path.into_inner())),
            Err(_) => Err(Problem::new(Code::NotFound, format!("There is nothing at {}.", req.path()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{ResponseError, body::to_bytes, test::TestRequest};
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
        #[serde(default)]
        size: u32,
    }

    async fn read(kind: &str, body: &str) -> Result<Named, Problem> {
        let (req, mut payload) = TestRequest::default()
            .insert_header(("content-type", kind))
            .set_payload(body.to_owned())
            .to_http_parts();
        Json::<Named>::from_request(&req, &mut payload).await.map(|j| j.0)
    }

    async fn body(problem: Problem) -> Value {
        serde_json::from_slice(&to_bytes(problem.error_response().into_body()).await.unwrap()).unwrap()
    }

    #[actix_web::test]
    async fn json_says_where() {
        let named = read("application/json; charset=utf-8", r#"{"name": "flights"}"#).await.unwrap();
        assert_eq!((named.name.as_str(), named.size), ("flights", 0));

        let problem = body(read("application/json", "{\"name\": \"a\",\n oops}").await.unwrap_err()).await;
        assert_eq!(problem["code"], "malformed_json");
        assert_eq!((&problem["errors"][0]["line"], &problem["errors"][0]["column"]), (&json!(2), &json!(2)));

        let problem = body(read("application/json", "{\"nam\": 1}").await.unwrap_err()).await;
        assert_eq!(problem["code"], "invalid_body");
        assert_eq!(
            (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
            (&json!("nam"), &json!("unknown"))
        );

        let problem = body(read("application/json", "{}").await.unwrap_err()).await;
        assert_eq!(
            (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
            (&json!("name"), &json!("missing"))
        );

        let problem = read("text/plain", "{}").await.unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType);
        assert_eq!(read("application/json", "").await.unwrap_err().code(), Code::MalformedJson);
    }

    #[actix_web::test]
    async fn a_large_body_is_refused_while_it_comes() {
        let big = format!("{{\"name\": \"{}\"}}", "x".repeat(JSON_LIMIT));
        assert_eq!(read("application/json", &big).await.unwrap_err().code(), Code::PayloadTooLarge);
    }

    #[actix_web::test]
    async fn query_names_the_parameter() {
        let req = TestRequest::with_uri("/?size=3").to_http_request();
        let problem = Query::<Named>::extract(&req).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidParameter);
        assert_eq!(body(problem).await["errors"][0]["field"], "name");
    }
}
