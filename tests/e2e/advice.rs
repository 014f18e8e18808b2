//! A recommended action that someone dismisses is recommended to nobody, now and not in the past, until it is wanted again.

use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_tests::{Caller, Weir, expect};

async fn insights(caller: &Caller, path: &str, position: u64) -> Value {
    let request = caller.get(path).header("weir-min-position", position);
    let answer = expect(request.send().await.unwrap(), StatusCode::OK).await;
    if answer["insights"].is_null() { answer } else { answer["insights"].clone() }
}

fn ids<'a>(insights: &'a Value, list: &str) -> Vec<&'a str> {
    insights[list].as_array().unwrap().iter().map(|action| action["id"].as_str().unwrap()).collect()
}

async fn tell(caller: &Caller, action: &str, verb: &str) -> Value {
    caller.make(&format!("/api/v1/insights/{action}/{verb}"), &json!({}), StatusCode::OK).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_dismissed_and_recommended_again() {
    let weir = Weir::start().await;
    let (ada, bob) = (&weir.register("ada").await, &weir.register("bob").await);
    let bare = insights(ada, "/api/v1/insights", 0).await;
    assert_eq!(ids(&bare, "recommended_actions"), ["upload_dataset"]);
    let made = ada.upload("flights", b"carrier,delay\nUA,3\n".to_vec()).await;
    let dataset = made["id"].as_str().unwrap();
    let position = made["position"].as_u64().unwrap();
    let action = format!("query_dataset.{dataset}");
    let before = insights(ada, "/api/v1/insights", position).await;
    assert_eq!(ids(&before, "recommended_actions"), [action.as_str()]);

    let done = tell(ada, &action, "dismiss").await;
    assert_eq!(
        (&done["id"], &done["dismissed"], &done["changed"]),
        (&json!(action), &json!(true), &json!(true))
    );
    let dismissed = done["position"].as_u64().unwrap();
    assert_eq!(tell(ada, &action, "dismiss").await["changed"], false);
    for path in ["/api/v1/insights", "/api/v1/dashboard"] {
        let now = insights(ada, path, dismissed).await;
        assert!(ids(&now, "recommended_actions").is_empty(), "{path}: {now}");
        assert_eq!(ids(&now, "dismissed_actions"), [action.as_str()], "{path}");
        assert_eq!(now["dismissed_actions"][0]["title"], "Ask something of flights", "{path}");
        let then = insights(ada, &format!("{path}?as_of={position}"), 0).await;
        assert_eq!(ids(&then, "recommended_actions"), [action.as_str()], "{path} as of {position}");
    }
    let told = ada.read(&format!("/api/v1/activity?limit=1&min_position={dismissed}")).await;
    let told = &told["items"][0];
    assert_eq!(told["type"], "weir.workspace.action_dismissed.v1");
    assert_eq!(
        (&told["title"], &told["detail"]["action"]),
        (&json!("dismissed the advice to ask something of a dataset"), &json!(action))
    );
    assert!(told["user_id"].is_string(), "{told}");

    let again = tell(ada, &action, "restore").await;
    let now = insights(ada, "/api/v1/insights", again["position"].as_u64().unwrap()).await;
    assert_eq!(ids(&now, "recommended_actions"), [action.as_str()]);
    assert!(ids(&now, "dismissed_actions").is_empty());

    // Nothing is dismissed that could not be recommended.
    let elsewhere =
        ["nonsense".to_owned(), format!("fix_query.{dataset}"), format!("fix_upload.{dataset}.9")];
    for (caller, action) in elsewhere.iter().map(|action| (ada, action)).chain([(bob, &action)]) {
        for verb in ["dismiss", "restore"] {
            let path = format!("/api/v1/insights/{action}/{verb}");
            let refused = caller.make(&path, &json!({}), StatusCode::NOT_FOUND).await;
            assert_eq!(refused["code"], "action_not_found", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_file_that_is_rejected_is_another_action_and_viewers_only_look() {
    let weir = Weir::start().await;
    let ada = &weir.register("ada").await;
    let made = ada.upload("t", b"a,b\n1,2\n".to_vec()).await;
    let dataset = made["id"].as_str().unwrap();
    let reject = async || {
        let request =
            ada.post(&format!("/api/v1/datasets/{dataset}/versions")).header("content-type", "text/csv");
        let answer = request.header("prefer", "wait=30").body("a,b\n1,2,3\n1\n").send().await.unwrap();
        let position: u64 = answer.headers()["weir-position"].to_str().unwrap().parse().unwrap();
        expect(answer, StatusCode::UNPROCESSABLE_ENTITY).await;
        position
    };
    let key = json!({"name": "looks", "role": "viewer"});
    let key = ada.make("/api/v1/api-keys", &key, StatusCode::CREATED).await;
    let viewer = Caller { token: key["key"].as_str().map(str::to_owned), ..ada.clone() };
    for version in [2, 3] {
        let position = reject().await;
        let action = format!("fix_upload.{dataset}.{version}");
        let now = insights(ada, "/api/v1/insights", position).await;
        assert_eq!(ids(&now, "recommended_actions")[0], action);
        let path = format!("/api/v1/insights/{action}/dismiss");
        let refused = viewer.make(&path, &json!({}), StatusCode::FORBIDDEN).await;
        assert_eq!(refused["code"], "role_too_low");

        // The same request twice is one dismissal.
        let ask = || ada.post(&path).header("idempotency-key", format!("once-{version}")).send();
        let first = expect(ask().await.unwrap(), StatusCode::OK).await;
        let second = ask().await.unwrap();
        assert_eq!(second.headers()["idempotency-replayed"], "true");
        assert_eq!(expect(second, StatusCode::OK).await, first);
        let now = insights(ada, "/api/v1/insights", first["position"].as_u64().unwrap()).await;
        assert!(!ids(&now, "recommended_actions").contains(&action.as_str()), "{now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_answered_is_not_popular_and_what_was_mended_is_settled() {
    let weir = Weir::start().await;
    let ada = &weir.register("ada").await;
    let ragged = ada.post("/api/v1/datasets?name=t").header("content-type", "text/csv");
    let ragged = ragged.header("prefer", "wait=30").body("a,b\n1,2,3\n1\n").send().await.unwrap();
    let position: u64 = ragged.headers()["weir-position"].to_str().unwrap().parse().unwrap();
    expect(ragged, StatusCode::UNPROCESSABLE_ENTITY).await;
    let now = insights(ada, "/api/v1/insights", position).await;
    assert!(ids(&now, "recommended_actions").iter().any(|id| id.starts_with("fix_upload.")), "{now}");

    ada.upload("t", b"a,b\n1,2\n".to_vec()).await;
    for _ in 0..4 {
        for sql in ["SELEC 1", "SELECT nothing FROM t"] {
            let refused = ada.post("/api/v1/queries").json(&json!({ "sql": sql })).send().await.unwrap();
            expect(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    }
    let answer = ada.make("/api/v1/queries", &json!({ "sql": "SELECT a FROM t" }), StatusCode::OK).await;
    let now = insights(ada, "/api/v1/insights", answer["position"].as_u64().unwrap()).await;
    let popular: Vec<_> = now["query_patterns"].as_array().unwrap().iter().map(|q| &q["sql"]).collect();
    assert_eq!(popular, ["SELECT a FROM t"]);
    let wanted = ids(&now, "recommended_actions");
    let kinds: Vec<_> = wanted.iter().map(|id| id.split('.').next().unwrap_or_default()).collect();
    // The one query that can be mended, and no typing error.
    assert_eq!(kinds, ["fix_query", "save_visualization"], "{now}");
}
