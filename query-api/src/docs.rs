//! `/openapi.json`, `/asyncapi.json` with the schemas of events, and `/docs` to read it and try it out. All of it is served from here: the pages
//! ask no other host for anything, and their content security policy forbids it.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder, ResponseError, guard,
    http::header::{self, HeaderValue},
    web,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;
use weir_infra::http::{Code, Problem};

/// Scripts and styles come from here only; the pages set some styles and pictures inline.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The document and the pages around it.
#[derive(Clone)]
pub struct Docs(Arc<Inner>);

struct Inner {
    document: Bytes,
    etag: String,
    /// The AsyncAPI document, and the JSON Schema of each event type.
    asyncapi: Bytes,
    schemas: BTreeMap<&'static str, Bytes>,
    pages: Arc<Config<'static>>,
    errors: Bytes,
}

impl Docs {
    /// Documentation of a whole API.
    ///
    /// # Errors
    /// When the document has no JSON form.
    pub fn new(document: &utoipa::openapi::OpenApi) -> Result<Self, serde_json::Error> {
        let document = Bytes::from(serde_json::to_vec(document)?);
        let etag = etag(&document);
        // The validator would be asked for a badge, on another host; tokens are not left in the browser.
        let pages = Config::from("/openapi.json")
            .validator_url("none")
            .try_it_out_enabled(true)
            .persist_authorization(false)
            .display_request_duration(true);
        let asyncapi = Bytes::from(serde_json::to_vec(&weir_events::asyncapi(env!("CARGO_PKG_VERSION")))?);
        let schemas = weir_events::schemas().into_iter();
        let schemas = schemas.map(|(kind, schema)| Ok((kind, Bytes::from(serde_json::to_vec(&schema)?))));
        let schemas = schemas.collect::<Result<_, serde_json::Error>>()?;
        let (pages, errors) = (Arc::new(pages), errors().into());
        Ok(Self(Arc::new(Inner { document, etag, asyncapi, schemas, pages, errors })))
    }

    /// Adds the routes.
    pub fn routes(&self, cfg: &mut web::ServiceConfig) {
        let docs = self.clone();
        serve(cfg, "/openapi.json", move |req: HttpRequest| {
            let docs = docs.clone();
            async move { docs.document(&req) }
        });
        let docs = self.clone();
        serve(cfg, "/asyncapi.json", move |req: HttpRequest| {
            let docs = docs.clone();
            async move {
                let document = docs.0.asyncapi.clone();
                guarded(tagged(&req, "application/json", &etag(&document), document))
            }
        });
        let docs = self.clone();
        serve(cfg, "/api/v1/events/schemas/{type}", move |req: HttpRequest, kind: web::Path<String>| {
            let docs = docs.clone();
            async move {
                let Some(schema) = docs.0.schemas.get(kind.as_str()).cloned() else {
                    let detail =
                        "There is no such event type in its current version; /asyncapi.json names all.";
                    return guarded(Problem::new(Code::NotFound, detail).error_response());
                };
                guarded(tagged(&req, "application/schema+json", &etag(&schema), schema))
            }
        });
        serve(cfg, "/docs", async || {
            HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
        });
        let docs = self.clone();
        serve(cfg, "/docs/errors", move |req: HttpRequest| {
            let docs = docs.clone();
            async move {
                guarded(tagged(
                    &req,
                    "text/html; charset=utf-8",
                    &etag(&docs.0.errors),
                    docs.0.errors.clone(),
                ))
            }
        });
        let docs = self.clone();
        serve(cfg, "/docs/{file:.*}", move |req: HttpRequest, file: web::Path<String>| {
            let docs = docs.clone();
            async move { docs.page(&req, &file) }
        });
    }

    fn document(&self, req: &HttpRequest) -> HttpResponse {
        tagged(req, "application/json", &self.0.etag, self.0.document.clone())
    }

    fn page(&self, req: &HttpRequest, file: &str) -> Result<HttpResponse, Problem> {
        let found = utoipa_swagger_ui::serve(file, self.0.pages.clone()).map_err(Problem::internal)?;
        let Some(found) = found else {
            return Err(Problem::new(Code::NotFound, format!("There is nothing at {}.", req.path())));
        };
        let bytes = Bytes::from(found.bytes.into_owned());
        let etag = etag(&bytes);
        Ok(guarded(tagged(req, &found.content_type, &etag, bytes)))
    }
}

/// Serves GET and HEAD of a path that nobody else serves anything of.
fn serve<F, Args>(cfg: &mut web::ServiceConfig, path: &str, handler: F)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let read = guard::Any(guard::Get()).or(guard::Head());
    cfg.service(web::resource(path).route(web::route().guard(read).to(handler)));
}

fn guarded(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// The table of error codes, which the `type` of every problem points into.
fn errors() -> String {
    let mut rows = String::new();
    for code in Code::ALL {
        let (title, status) = (code.title(), code.status());
        // Codes and titles are fixed text without markup.
        let _ = writeln!(
            rows,
            "<tr id=\"{code}\"><td><code>{code}</code></td><td>{status}</td><td>{title}</td></tr>"
        );
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Weir: error codes</title>\
         <style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}tr:target{{background:#ffc}}</style>\
         <h1>Error codes</h1><p>Every error is <code>application/problem+json</code> with one of these as \
         <code>code</code>. Programs can rely on the code; the texts may change.</p>\
         <table>{rows}</table></html>"
    )
}

fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{hex}\"")
}

fn tagged(req: &HttpRequest, content_type: &str, etag: &str, body: Bytes) -> HttpResponse {
    let known = req.headers().get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let unchanged = known.split(',').any(|tag| tag.trim() == etag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    if unchanged { response.finish() } else { response.content_type(content_type).body(body) }
}
