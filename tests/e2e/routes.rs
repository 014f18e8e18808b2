//! Every route of the OpenAPI document, walked: nothing without a token, nothing of another
//! workspace with one, and all reads in one manner.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_tests::{Caller, Weir, expect};

/// The routes that are open to everybody, and why.
const OPEN: &[&str] = &[
    // These are how one gets a token.
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    // The refresh token in the body is what authorises it.
    "/api/v1/auth/logout",
    // For machines that watch over this one; they hold no tenant's data.
    "/health/live",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/docs",
];

/// What belongs to no workspace but to the installation.
const ADMIN: &str = "/api/v1/admin/";

struct Route {
    method: Method,
    path: String,
}

async fn routes(caller: &Caller) -> Vec<Route> {
    let document = caller.read("/openapi.json").await;
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            if let Ok(method) = method.to_uppercase().parse::<Method>()
                && ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str())
            {
                routes.push(Route { method, path: path.clone() });
            }
        }
    }
    assert!(routes.len() >= 40, "only {} routes are documented", routes.len());
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_wants_a_token_and_keeps_workspaces_apart() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let bob = weir.register("bob").await;
    let routes = routes(&ada).await;

    let (hers, position) = one_of_everything(&ada).await;
    let anonymous = weir.anonymous();
    for Route { method, path } in &routes {
        let concrete = fill(path, &hers);
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let answer = anonymous.request(method.clone(), &concrete).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path} without a token");
        assert!(answer.headers().contains_key("www-authenticate"), "{method} {path}");

        // Ada finds her own things,
        if *method == Method::GET {
            let answer = ada.get(&concrete).header("weir-min-position", position).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "GET {concrete} as Ada");
        }
        // What belongs to the installation is its owner's, who came first.
        if path.starts_with(ADMIN) {
            let answer = bob.request(method.clone(), &concrete).json(&json!({})).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {concrete} as Bob");
            continue;
        }
        // Bob asks for them in his own workspace,
        if path.contains('{') {
            let answer = bob.request(method.clone(), &concrete).json(&body(path)).send().await.unwrap();
            assert_eq!(
                answer.status(),
                StatusCode::NOT_FOUND,
                "{method} {concrete} as Bob: {:?}",
                answer.text().await
            );
        } else if *method == Method::GET {
            let answer = bob.get(path).send().await.unwrap();
            assert!(answer.status().is_success(), "GET {path} as Bob: {}", answer.status());
            let text = answer.text().await.unwrap();
            for (kind, id) in hers.iter().filter(|(kind, _)| **kind != "projections") {
                assert!(!text.contains(id.as_str()), "GET {path} shows Bob one of Ada's {kind}");
            }
            assert!(!text.contains("secret"), "GET {path} shows Bob a name of Ada's");
        }
        // and in hers, where he is nobody. Routes of an account are not about a workspace.
        if !path.starts_with("/api/v1/me") && !path.starts_with("/api/v1/workspaces") {
            let request = bob.request(method.clone(), &concrete).header("weir-workspace", &ada.workspace);
            let answer = request.json(&body(path)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path} in Ada's workspace");
        }
    }

    // None of it did anything to Ada.
    assert_eq!(ada.read("/api/v1/datasets").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.read("/api/v1/visualizations").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.read("/api/v1/api-keys").await["items"].as_array().unwrap().len(), 1);
    let mistyped = json!({"sql": "SELECT name FROM airlinez"});
    let near = ada.make("/api/v1/queries", &mistyped, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(near["detail"].as_str().unwrap().contains("airlines"), "{near}");
    let far = bob.make("/api/v1/queries", &mistyped, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(!far.to_string().contains("airlines"), "no near names across tenants: {far}");
}

const SQL: &str = "SELECT name FROM airlines ORDER BY name";

/// Makes one of every kind of thing: their ids by collection, and a position at which all can be read.
async fn one_of_everything(ada: &Caller) -> (BTreeMap<&'static str, String>, u64) {
    let dataset = ada.upload_sample("airlines.csv").await;
    let run = ada.make("/api/v1/queries", &json!({"sql": SQL}), StatusCode::OK).await;
    let chart = json!({"name": "secret chart", "query": {"sql": SQL}, "chart": {"type": "bar", "x": "name"}});
    let chart = ada.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await;
    let query = run["query_id"].as_str().unwrap();
    let saved = json!({"name": "secret query"});
    let saved = ada.make(&format!("/api/v1/queries/{query}/save"), &saved, StatusCode::OK).await;
    let about = "---\nname: secret context\nversion: 1.0.0\ndescription: Airlines and nothing else\ndatasets:\n  \
                 - {id: airlines, name: Airlines, dataset_id: airlines}\n---\n";
    let about = ada.make("/api/v1/contexts", &json!({"content": about}), StatusCode::CREATED).await;
    let key = json!({"name": "secret key", "role": "viewer"});
    let key = ada.make("/api/v1/api-keys", &key, StatusCode::CREATED).await;
    // It is told of nothing.
    let hook = json!({"url": "https://weir.invalid/secret", "types": ["weir.webhook"]});
    let hook = ada.make("/api/v1/webhooks", &hook, StatusCode::CREATED).await;
    let ids = [
        ("datasets", &dataset["id"]),
        ("queries", &run["query_id"]),
        ("runs", &run["run_id"]),
        ("visualizations", &chart["id"]),
        ("contexts", &about["id"]),
        ("api-keys", &key["id"]),
        ("webhooks", &hook["id"]),
        ("deliveries", &json!(uuid::Uuid::new_v4())),
        ("insights", &json!(format!("review_dataset.{}", dataset["id"].as_str().unwrap()))),
        ("workspaces", &json!(ada.workspace)),
        ("projections", &json!("usage")),
        ("members", &ada.read("/api/v1/me").await["user"]["id"]),
    ]
    .into_iter()
    .map(|(kind, id)| (kind, id.as_str().unwrap_or_else(|| panic!("{kind}: {id}")).to_owned()))
    .collect();
    (ids, saved["position"].as_u64().max(about["position"].as_u64()).expect("a position"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_takes_its_parameters_and_refuses_others() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let (hers, position) = one_of_everything(&ada).await;
    let document = ada.read("/openapi.json").await;
    let reads = routes(&ada).await.into_iter().filter(|route| route.method == Method::GET);
    let reads = reads.map(|Route { path, .. }| {
        let parameters =
            document["paths"][&path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> = parameters
            .iter()
            .filter(|p| p["in"] == "query")
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect();
        let (ada, hers) = (ada.clone(), hers.clone());
        async move {
            let concrete = fill(&path, &hers);
            let problem = async |query: &str, status| {
                let answer = ada.get(&format!("{concrete}?{query}")).send().await.unwrap();
                let retry = answer.headers().contains_key("retry-after");
                (expect(answer, status).await, retry)
            };
            let (unknown, _) = problem("colour=red", StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(unknown["code"], "invalid_parameter", "{path}: {unknown}");
            assert_eq!(unknown["errors"][0]["field"], "colour", "{path}: {unknown}");
            assert_eq!(unknown["errors"][0]["code"], "unknown_parameter", "{path}: {unknown}");
            for name in &names {
                // Whatever is wrong with nothing as a value, it is not that there is no such parameter.
                let answer =
                    ada.get(&format!("{concrete}?{name}=")).send().await.unwrap().text().await.unwrap();
                assert!(!answer.contains("unknown_parameter"), "{path} documents {name}: {answer}");
            }
            if !path.starts_with("/api/") || path.starts_with(ADMIN) {
                return;
            }
            assert!(names.iter().any(|name| name == "min_position"), "{path}: {names:?}");
            let (wrong, _) = problem("min_position=soon", StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(wrong["errors"][0]["field"], "min_position", "{path}: {wrong}");
            let (never, retry) =
                problem("min_position=9000000000000000000", StatusCode::SERVICE_UNAVAILABLE).await;
            assert_eq!((&never["code"], retry), (&json!("position_not_reached"), true), "{path}: {never}");

            let fresh = |method| ada.request(method, &concrete).header("weir-min-position", position);
            let answer = fresh(Method::GET).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}: {:?}", answer.text().await);
            let at: u64 = answer.headers()["weir-position"].to_str().unwrap().parse().unwrap();
            assert!(at >= position, "{path} was read at {at}");
            let answer = fresh(Method::HEAD).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "HEAD {path}");
            let answer = fresh(Method::GET).header("if-none-match", "*").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
        }
    });
    futures::future::join_all(reads).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_says_which_methods_it_has() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Route { method, path } in routes(&ada).await {
        let methods = paths.entry(path).or_default();
        if method == Method::GET {
            methods.insert("HEAD".to_owned());
        }
        methods.insert(method.to_string());
    }
    for path in ["/openapi.json", "/docs/", "/docs/errors"] {
        paths.insert(path.to_owned(), BTreeSet::from(["GET".to_owned(), "HEAD".to_owned()]));
    }
    let id = uuid::Uuid::new_v4().to_string();
    for (path, methods) in paths {
        let concrete: Vec<&str> = path.split('/').map(|p| if p.starts_with('{') { &id } else { p }).collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if methods.contains(method) {
                continue;
            }
            let answer = ada.request(method.parse().unwrap(), &concrete.join("/")).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
            let allowed: BTreeSet<String> = allow.split(',').map(|m| m.trim().to_owned()).collect();
            assert_eq!(allowed, methods, "{method} {path}");
            if method != "HEAD" {
                assert_eq!(answer.headers()["content-type"], "application/problem+json", "{method} {path}");
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["code"], "method_not_allowed", "{method} {path}");
            }
        }
    }
}

/// The path with Ada's ids in it: each placeholder takes the id of the collection before it.
fn fill(path: &str, ids: &BTreeMap<&str, String>) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        if *part == "{version}" {
            out.push("1".to_owned());
        } else if part.starts_with('{') {
            let id = ids.get(parts[n - 1]).unwrap_or_else(|| panic!("no id for {path}"));
            out.push(id.clone());
        } else {
            out.push((*part).to_owned());
        }
    }
    out.join("/")
}

/// A body that is good enough to get past its checks.
fn body(path: &str) -> Value {
    if path.contains("members") {
        json!({"role": "viewer", "email": "nobody@example.org"})
    } else if path.contains("suggest") || path.ends_with("/queries") {
        json!({"sql": "SELECT 1"})
    } else if path.ends_with("/undo") {
        json!({"position": 1})
    } else if path.contains("/contexts") {
        json!({"content": "stolen"})
    } else if path.contains("/webhooks") {
        json!({"url": "https://weir.invalid/stolen"})
    } else if path.ends_with("/api-keys") {
        json!({"name": "stolen", "role": "viewer"})
    } else if path.ends_with("/visualizations") {
        json!({"name": "stolen", "query": {"sql": "SELECT 1 AS a"}, "chart": {"type": "bar", "x": "a"}})
    } else {
        json!({"name": "stolen"})
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_can_be_read_by_those_who_accept_packed_answers() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    for (path, status) in [("/nope", 404), ("/api/v1/datasets?colour=red", 422), ("/api/v1/datasets", 200)] {
        let request = ada.get(path).header("accept-encoding", "gzip, br, zstd");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let packed = answer.headers().get("content-encoding").cloned();
        let bytes = answer.bytes().await.unwrap();
        // This client unpacks nothing by itself.
        assert_eq!(packed.is_none(), bytes.starts_with(b"{"), "{path}: {packed:?} {bytes:?}");
    }
    let anonymous = weir.anonymous().get("/api/v1/me").header("accept-encoding", "br").send().await.unwrap();
    assert_eq!((anonymous.status().as_u16(), anonymous.headers().get("content-encoding")), (401, None));
    let problem: Value = anonymous.json().await.unwrap();
    assert_eq!(problem["code"], "token_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_form_of_answer_at_all_gets_a_plain_one() {
    let weir = Weir::start().await;
    for wish in ["*;q=0", "identity;q=0, *;q=0"] {
        let answer =
            weir.anonymous().get("/api/v1/nope").header("accept-encoding", wish).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{wish}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_shows_the_file_that_is_queried_and_not_one_that_was_rejected() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let good = b"a,b\n1,2\n3,4\n".to_vec();
    let made = ada.upload("t", good.clone()).await;
    let path = format!("/api/v1/datasets/{}", made["id"].as_str().unwrap());
    let version = ada.post(&format!("{path}/versions")).header("content-type", "text/csv");
    let bad = version.header("prefer", "wait=30").body("a,b\n1,2,3\n1\n").send().await.unwrap();
    let position: u64 = bad.headers()["weir-position"].to_str().unwrap().parse().unwrap();
    assert_eq!(bad.status(), 422, "{}", bad.text().await.unwrap());
    let seen = ada.read(&format!("{path}?min_position={position}")).await;
    assert_eq!((&seen["version"], &seen["bytes"], &seen["status"]), (&json!(1), &json!(12), &json!("ready")));
    let dashboard = ada.dashboard(position).await;
    assert_eq!(dashboard["overview"]["total_bytes"], 12);
    assert_eq!(dashboard["recent"]["uploads"][0]["bytes"], 12);
    for (query, status, bytes) in
        [("", 200, good.clone()), ("?version=1", 200, good), ("?version=2", 200, b"a,b\n1,2,3\n1\n".to_vec())]
    {
        let file = ada.get(&format!("{path}/download{query}")).send().await.unwrap();
        assert_eq!(file.status(), status, "{query}");
        assert_eq!(file.bytes().await.unwrap(), bytes, "{query}");
    }
    let none =
        expect(ada.get(&format!("{path}/download?version=7")).send().await.unwrap(), StatusCode::NOT_FOUND)
            .await;
    assert_eq!(none["code"], "version_not_found");
}
