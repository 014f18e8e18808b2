//! The dashboard's pages, from within the binary.
//!
//! What the build gave a name with a hash in it never changes and is kept for good; the document around it is fresh each
//! time, since the nonce in it is. The policy lets the pages ask no other host for anything and run no code that is not a
//! file of theirs.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

use actix_web::{
    HttpRequest, HttpResponse, guard,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use weir_infra::http::{Code, Problem, accepted, not_found};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

struct File {
    address: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// What stands in the document for the nonce of an answer.
const NONCE: &str = "__CSP_NONCE__";
/// The pages' addresses: each is the same document, which finds out by itself what to show.
const PAGES: [&str; 8] = [
    "/",
    "/log-in",
    "/register",
    "/{page:datasets|queries|charts|contexts|settings}",
    "/{page:datasets|queries|charts|contexts|settings}/{rest:.*}",
    "/query",
    "/activity",
    "/operations",
];

/// What pages of the guide may do: they hold no scripts.
const GUIDE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the pages, their files, the guide, and the sample data that can be tried out.
pub fn routes(cfg: &mut web::ServiceConfig) {
    let read = || guard::Any(guard::Get()).or(guard::Head());
    for page in PAGES {
        cfg.service(web::resource(page).route(web::route().guard(read()).to(document)));
    }
    for file in FILES.iter().filter(|file| file.address != "/index.html") {
        let serve = move |req: HttpRequest| async move { file.answer(&req) };
        // Pages of the guide have addresses without an ending.
        let address = file.address.strip_suffix("index.html").unwrap_or(file.address);
        let address = address.strip_suffix(".html").unwrap_or(address);
        cfg.service(web::resource(address).route(web::route().guard(read()).to(serve)));
    }
    cfg.service(web::resource("/samples/index.json").route(web::route().guard(read()).to(samples)));
}

/// Which sample files there are.
async fn samples() -> HttpResponse {
    let names = FILES.iter().filter_map(|file| file.address.strip_prefix("/samples/"));
    let names = names.filter(|name| *name != "index.json" && *name != "README.md");
    HttpResponse::Ok().json(names.map(|file| serde_json::json!({"file": file})).collect::<Vec<_>>())
}

async fn document() -> Result<HttpResponse, Problem> {
    page(StatusCode::OK)
}

/// What the default service answers: to a browser the document, which says that there is nothing here; to programs a
/// problem.
///
/// # Errors
/// With `not_found`.
pub async fn nowhere(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let read = *req.method() == Method::GET || *req.method() == Method::HEAD;
    match accepted(req.headers(), &[(false, "application/problem+json"), (true, "text/html")]) {
        Some(true) if read && !req.path().starts_with("/api/") => page(StatusCode::NOT_FOUND),
        _ => not_found(req).await,
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge is here")]
fn page(status: StatusCode) -> Result<HttpResponse, Problem> {
    let Some(index) = FILES.iter().find(|file| file.address == "/index.html") else {
        let detail =
            "This binary was built without the dashboard: run `make build`. The API is described at /docs.";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
    let document = String::from_utf8_lossy(index.plain).replace(NONCE, &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; \
         connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let mut response = HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(document);
    let policy = HeaderValue::try_from(policy).map_err(Problem::internal)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

impl File {
    fn answer(&self, req: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        // Vite names files under /assets after what is in them.
        let kept = match self.address.starts_with("/assets/") {
            true => "public, max-age=31536000, immutable",
            false => "public, max-age=3600",
        };
        response
            .insert_header((header::CACHE_CONTROL, kept))
            .insert_header((header::VARY, "accept-encoding"));
        let accepted = req.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let takes = |encoding: &str| {
            accepted.is_some_and(|all| {
                all.split(',').any(|one| {
                    let (name, quality) = one.split_once(';').unwrap_or((one, ""));
                    name.trim().eq_ignore_ascii_case(encoding)
                        && !quality.trim().trim_start_matches("q=").parse::<f32>().is_ok_and(|q| q <= 0.0)
                })
            })
        };
        let forms = [("br", self.br), ("gzip", self.gzip)];
        let packed =
            forms.into_iter().find_map(|(name, form)| form.filter(|_| takes(name)).map(|f| (name, f)));
        let (encoding, bytes) = packed.unwrap_or(("identity", self.plain));
        if self.address.ends_with(".html") {
            response.insert_header((header::CONTENT_SECURITY_POLICY, GUIDE));
        }
        response
            .content_type(content_type(self.address))
            .insert_header((header::CONTENT_ENCODING, encoding))
            .body(Bytes::from_static(bytes))
    }
}

fn content_type(address: &str) -> &'static str {
    match address.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "html" => "text/html; charset=utf-8",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;

    static FILE: File =
        File { address: "/assets/a-1.js", plain: b"plain", br: Some(b"br"), gzip: Some(b"gzip") };

    fn header_of<B>(response: &HttpResponse<B>, name: &header::HeaderName) -> String {
        response.headers().get(name).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    async fn the_best_form_that_is_understood_is_sent_and_kept() {
        for (accepted, sent) in [
            ("", "plain"),
            ("gzip, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("zstd", "plain"),
        ] {
            let req = test::TestRequest::get().insert_header((header::ACCEPT_ENCODING, accepted));
            let response = FILE.answer(&req.to_http_request());
            let cached = header_of(&response, &header::CACHE_CONTROL);
            assert!(cached.contains("immutable"), "{cached}");
            assert_eq!(header_of(&response, &header::CONTENT_TYPE), "text/javascript; charset=utf-8");
            let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
            assert_eq!(body, sent, "{accepted}");
        }
    }

    #[test]
    async fn each_document_has_a_nonce_of_its_own_and_samples_are_there() {
        let app = test::init_service(App::new().configure(routes)).await;
        let get = async |address: &str| {
            test::call_service(&app, test::TestRequest::get().uri(address).to_request()).await
        };
        let built = FILES.iter().any(|file| file.address == "/index.html");
        let first = get("/").await;
        if built {
            let policy = header_of(first.response(), &header::CONTENT_SECURITY_POLICY);
            let text = String::from_utf8(test::read_body(first).await.to_vec()).unwrap();
            let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
            assert!(text.contains(nonce) && !text.contains(NONCE));
            let second = get("/charts/some").await;
            assert_ne!(header_of(second.response(), &header::CONTENT_SECURITY_POLICY), policy);
        } else {
            assert_eq!(first.status(), StatusCode::NOT_FOUND);
        }
        assert_eq!(get("/no-such-page").await.status(), StatusCode::NOT_FOUND);
        let samples: Vec<serde_json::Value> = test::read_body_json(get("/samples/index.json").await).await;
        assert!(samples.iter().any(|sample| sample["file"] == "airlines.csv"), "{samples:?}");
        assert_eq!(get("/samples/airlines.csv").await.status(), StatusCode::OK);
    }

    #[test]
    async fn where_there_is_nothing_people_get_a_page_and_programs_a_problem() {
        let app = test::init_service(App::new().configure(routes).default_service(web::to(nowhere))).await;
        let built = FILES.iter().any(|file| file.address == "/index.html");
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (address, accept, page) in [
            ("/no-such-page", browser, built),
            ("/no-such-page", "*/*", false),
            ("/no-such-page", "application/json", false),
            ("/api/v1/no-such-thing", browser, false),
        ] {
            let request = test::TestRequest::get().uri(address).insert_header((header::ACCEPT, accept));
            let response = test::call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let kind = header_of(response.response(), &header::CONTENT_TYPE);
            assert_eq!(kind.starts_with("text/html"), page, "{address} {accept}: {kind}");
        }
    }
}
