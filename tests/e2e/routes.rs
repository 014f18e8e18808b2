//! Every route of the OpenAPI document, walked: nothing without a token, nothing of another
//! workspace with one.

use std::collections::BTreeMap;

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

    // Ada has one of everything.
    let dataset = ada.upload_sample("airlines.csv").await;
    let sql = "SELECT name FROM airlines ORDER BY name";
    let run = ada.make("/api/v1/queries", &json!({"sql": sql}), StatusCode::OK).await;
    let chart = json!({"name": "secret chart", "query": {"sql": sql}, "chart": {"type": "bar", "x": "name"}});
    let chart = ada.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await;
    let query = run["query_id"].as_str().unwrap();
    let saved = json!({"name": "secret query"});
    let saved = ada.post(&format!("/api/v1/queries/{query}/save")).json(&saved).send().await.unwrap();
    assert!(saved.status().is_success(), "{:?}", saved.text().await);
    let key = json!({"name": "secret key", "role": "viewer"});
    let key = ada.make("/api/v1/api-keys", &key, StatusCode::CREATED).await;
    let hers: BTreeMap<&str, String> = [
        ("datasets", &dataset["id"]),
        ("queries", &run["query_id"]),
        ("runs", &run["run_id"]),
        ("visualizations", &chart["id"]),
        ("api-keys", &key["id"]),
        ("workspaces", &json!(ada.workspace)),
        ("members", &ada.read("/api/v1/me").await["user"]["id"]),
    ]
    .into_iter()
    .map(|(kind, id)| (kind, id.as_str().unwrap_or_else(|| panic!("{kind}: {id}")).to_owned()))
    .collect();

    let anonymous = weir.anonymous();
    for Route { method, path } in &routes {
        let concrete = fill(path, &hers);
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let answer = anonymous.request(method.clone(), &concrete).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path} without a token");
        assert!(answer.headers().contains_key("www-authenticate"), "{method} {path}");

        // Bob asks for Ada's things in his own workspace,
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
            for (kind, id) in &hers {
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
    let answer = bob.post("/api/v1/queries").json(&json!({"sql": sql})).send().await.unwrap();
    let problem = expect(answer, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(
        !problem["detail"].as_str().unwrap().contains("did you mean"),
        "no near names across tenants: {problem}"
    );
}

/// The path with Ada's ids in it: each placeholder takes the id of the collection before it.
fn fill(path: &str, ids: &BTreeMap<&str, String>) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        if part.starts_with('{') {
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
    } else if path.ends_with("/api-keys") {
        json!({"name": "stolen", "role": "viewer"})
    } else if path.ends_with("/visualizations") {
        json!({"name": "stolen", "query": {"sql": "SELECT 1 AS a"}, "chart": {"type": "bar", "x": "a"}})
    } else {
        json!({"name": "stolen"})
    }
}
