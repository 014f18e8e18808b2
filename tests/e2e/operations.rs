//! What the owner of the installation sees and does: projections, rebuilds, dead letters, health.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_tests::{Caller, Weir, expect};

const PROJECTIONS: &str = "/api/v1/admin/projections";

/// Asks for something until it is so.
async fn until(caller: &Caller, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let answer = caller.read(path).await;
        if so(&answer) {
            return answer;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{path} stays {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_sees_how_projecting_fares_and_has_a_projection_folded_anew() {
    let weir = Weir::start().await;
    let owner = weir.register("ada").await;
    let other = weir.register("bob").await;
    let dataset = owner.upload_sample("airlines.csv").await;
    let position = dataset["position"].as_u64().expect("a position");

    // The first account is the owner's; nobody else's, and no program's.
    let key = json!({"name": "a program", "role": "owner"});
    let key = owner.make("/api/v1/api-keys", &key, StatusCode::CREATED).await;
    let program = Caller { token: key["key"].as_str().map(str::to_owned), ..owner.clone() };
    for (who, path) in
        [(&other, PROJECTIONS), (&program, PROJECTIONS), (&other, "/api/v1/admin/dead-letters")]
    {
        let refused = expect(who.get(path).send().await.unwrap(), StatusCode::FORBIDDEN).await;
        assert_eq!(refused["code"], "operator_required");
    }

    let state = until(&owner, PROJECTIONS, |s| s["position"].as_u64() >= Some(position)).await;
    assert_eq!(state["state"], "live", "{state}");
    assert_eq!(state["lag"], json!({"events": 0, "seconds": 0.0, "stalled": false}));
    assert_eq!(state["head"], state["position"]);
    assert_eq!(state["writer"]["process"], weir.pid());
    assert_eq!((&state["writer"]["alive"], &state["writer"]["error"]), (&json!(true), &Value::Null));
    let all = state["projections"].as_array().expect("projections");
    assert!(all.len() >= 10, "{state}");
    for projection in all {
        assert_eq!(projection["position"], state["position"], "all of them move together");
        assert_eq!((&projection["dead_letters"], &projection["rebuild"]), (&json!(0), &Value::Null));
    }

    let rebuild = |name: &str| format!("{PROJECTIONS}/{name}/rebuild");
    let refused = expect(other.post(&rebuild("runs")).send().await.unwrap(), StatusCode::FORBIDDEN).await;
    assert_eq!(refused["code"], "operator_required");
    let none = expect(owner.post(&rebuild("rums")).send().await.unwrap(), StatusCode::NOT_FOUND).await;
    assert!(none["detail"].as_str().unwrap().contains("rums"), "{none}");
    let asked = expect(owner.post(&rebuild("datasets")).send().await.unwrap(), StatusCode::ACCEPTED).await;
    assert_eq!(asked["name"], "datasets");
    assert!(asked["requested_at"].is_string(), "{asked}");
    let open = |s: &Value| {
        s["projections"].as_array().unwrap().iter().filter(|p| !p["requested_at"].is_null()).count()
    };
    until(&owner, PROJECTIONS, |s| open(s) == 0 && s["state"] == "live").await;
    // It goes on, and what was there still is.
    let more = owner.upload_sample("airports.csv").await;
    let position = more["position"].as_u64().expect("a position");
    let list = owner.get("/api/v1/datasets").header("weir-min-position", position).send().await.unwrap();
    let list = expect(list, StatusCode::OK).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nobody_can_read_stops_nothing_and_shows() {
    let weir = Weir::start().await;
    let owner = weir.register("ada").await;
    owner.upload_sample("airlines.csv").await;
    let url = weir.runtime()["nats_url"].as_str().expect("an address").to_owned();
    let nats = weir_infra::nats::connect(&url).await.expect("NATS");
    let subject = format!("weir.{}.dataset.{}", owner.workspace, uuid::Uuid::new_v4());
    let mut positions = Vec::new();
    for n in 0..3 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("ce-type", "weir.dataset.vanished.v7");
        headers.insert("ce-id", uuid::Uuid::now_v7().to_string());
        let stream = async_nats::jetstream::new(nats.clone());
        let sent = stream.publish_with_headers(subject.clone(), headers, format!("no JSON {n}").into());
        positions.push(sent.await.expect("it is sent").await.expect("and kept").sequence);
    }
    let last = owner.upload_sample("airports.csv").await["position"].as_u64().expect("a position");
    owner.dashboard(last).await;

    let letters = "/api/v1/admin/dead-letters";
    let all = owner.read(letters).await;
    let found: Vec<_> = all["items"].as_array().unwrap().iter().map(|l| l["position"].clone()).collect();
    assert_eq!(json!(found), json!(positions));
    let first = &all["items"][0];
    assert_eq!((&first["projection"], &first["subject"]), (&json!("*"), &json!(subject)));
    assert!(first["reason"].as_str().unwrap().len() > 5, "{first}");
    assert_eq!(all["next_cursor"], Value::Null);
    // In pages, and for one projection, which cannot read them either.
    let page = owner.read(&format!("{letters}?limit=2&projection=runs")).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let rest = owner.read(&format!("{letters}?limit=2&cursor={cursor}")).await;
    assert_eq!((&rest["items"][0]["position"], &rest["next_cursor"]), (&json!(positions[2]), &Value::Null));
    let wrong = owner.get(&format!("{letters}?cursor=later")).send().await.unwrap();
    assert_eq!(expect(wrong, StatusCode::UNPROCESSABLE_ENTITY).await["errors"][0]["field"], "cursor");
    let state = owner.read(PROJECTIONS).await;
    assert!(state["projections"].as_array().unwrap().iter().all(|p| p["dead_letters"] == 3), "{state}");
    assert_eq!(state["state"], "live");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_stand_still_are_an_alarm_though_every_process_looks_fine() {
    let weir = Weir::start().await;
    let owner = weir.register("ada").await;
    let ready = || async { owner.get("/health/ready").send().await.unwrap() };
    assert_eq!(ready().await.status(), StatusCode::OK);
    let url = weir.runtime()["database_url"].as_str().expect("a database").to_owned();
    let pool = weir_infra::postgres::connect(&url, 1).expect("a pool");
    let mut client = pool.get().await.expect("a connection");
    // Nothing is broken, and nothing moves.
    let held = client.transaction().await.unwrap();
    held.batch_execute("SELECT epoch FROM projector.runner WHERE schema = 'read' FOR UPDATE").await.unwrap();
    let since = Instant::now();
    owner.make("/api/v1/queries", &json!({"sql": "SELECT 1"}), StatusCode::OK).await;
    let alarm = loop {
        let answer = ready().await;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            break answer.json::<Value>().await.unwrap();
        }
        assert!(since.elapsed() < Duration::from_secs(40), "no alarm");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(since.elapsed() > Duration::from_secs(9), "one event that waits a moment is no alarm");
    let check = alarm["checks"].as_array().unwrap().iter().find(|c| c["name"] == "projections").unwrap();
    assert_eq!((&check["ok"], &check["detail"]), (&json!(false), &json!("stand still while events wait")));
    assert_eq!(alarm["lag"], 1);
    assert!(alarm["lag_seconds"].as_f64().unwrap() > 9.0, "{alarm}");
    let state = owner.read(PROJECTIONS).await;
    assert_eq!((&state["state"], &state["writer"]["alive"]), (&json!("stalled"), &json!(true)));
    held.rollback().await.unwrap();
    until(&owner, PROJECTIONS, |s| s["state"] == "live" && s["lag"]["events"] == 0).await;
    assert_eq!(ready().await.status(), StatusCode::OK);
}
