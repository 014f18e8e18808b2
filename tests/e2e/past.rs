//! The past: what every read showed once, it shows again when it is asked for that moment.

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_tests::{Caller, Weir, expect};

/// The reads that can be asked for the past.
const READS: [&str; 9] = [
    "dashboard",
    "activity",
    "usage",
    "insights",
    "datasets",
    "queries",
    "runs",
    "visualizations",
    "contexts",
];

/// What a read showed.
struct Shown {
    who: usize,
    read: &'static str,
    position: u64,
    time: DateTime<Utc>,
    body: Value,
}

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// Some things are counted by days: a test of what was shown must not see two of them.
async fn not_around_midnight() {
    let left = 24 * 3600 - Utc::now().num_seconds_from_midnight();
    if left < 120 {
        tokio::time::sleep(std::time::Duration::from_secs(u64::from(left) + 1)).await;
    }
}

async fn change(caller: &Caller, path: &str, body: &Value) -> u64 {
    let request = caller.request(Method::PATCH, path).json(body);
    expect(request.send().await.unwrap(), StatusCode::OK).await["position"].as_u64().unwrap()
}

/// Does one thing of many, and says up to where the log is then.
async fn act(caller: &Caller, chance: &mut Chance, n: usize) -> u64 {
    let newest = async |kind: &str| -> Option<String> {
        let list = caller.read(&format!("/api/v1/{kind}?limit=1")).await;
        list["items"][0]["id"].as_str().map(str::to_owned)
    };
    match chance.below(8) {
        0 | 1 => {
            let rows: String = (0..n + 2).map(|row| format!("{row},{}\n", row * n)).collect();
            let made = caller.upload(&format!("t{n}"), format!("a,b\n{rows}").into_bytes()).await;
            made["position"].as_u64().unwrap()
        }
        2 | 3 => {
            let sql = json!({"sql": format!("SELECT {} AS n", chance.below(4))});
            caller.make("/api/v1/queries", &sql, StatusCode::OK).await["position"].as_u64().unwrap()
        }
        4 => {
            let sql = json!({"sql": format!("SELECT nothing FROM nowhere{}", chance.below(2))});
            let failed = caller.post("/api/v1/queries").json(&sql).send().await.unwrap();
            let position = failed.headers()["weir-position"].to_str().unwrap().parse().unwrap();
            assert_eq!(failed.status(), StatusCode::UNPROCESSABLE_ENTITY);
            position
        }
        5 => {
            let chart = json!({"name": format!("c{n}"), "query": {"sql": "SELECT 1 AS x, 2 AS y"},
                               "chart": {"type": "bar", "x": "x", "y": "y"}});
            caller.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await["position"]
                .as_u64()
                .unwrap()
        }
        6 => match newest("datasets").await {
            Some(id) => {
                change(caller, &format!("/api/v1/datasets/{id}"), &json!({"description": format!("{n}")}))
                    .await
            }
            None => 0,
        },
        _ => match newest("visualizations").await {
            Some(id) => {
                change(caller, &format!("/api/v1/visualizations/{id}"), &json!({"name": format!("r{n}")}))
                    .await
            }
            None => 0,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_shows_again_what_it_showed() {
    not_around_midnight().await;
    let mut weir = Weir::start().await;
    let mut callers = vec![weir.register("ada").await, weir.register("bob").await];
    let mut chance = Chance(7);
    let (mut shown, mut position) = (Vec::new(), 0);
    for n in 0..36 {
        position = act(&callers[chance.below(2)], &mut chance, n).await.max(position);
        for _ in 0..3 {
            let (who, read) = (chance.below(2), READS[chance.below(READS.len())]);
            let request = callers[who].get(&format!("/api/v1/{read}")).header("weir-min-position", position);
            let answer = request.send().await.unwrap();
            let position = answer.headers()["weir-position"].to_str().unwrap().parse().unwrap();
            let body = expect(answer, StatusCode::OK).await;
            shown.push(Shown { who, read, position, time: Utc::now(), body });
        }
    }

    let compare = async |callers: &[Caller], shown: &Shown, as_of: String| {
        let path = format!("/api/v1/{}?as_of={as_of}", shown.read);
        let answer = callers[shown.who].get(&path).send().await.unwrap();
        let position = answer.headers()["weir-position"].to_str().unwrap().parse::<u64>().unwrap();
        let mut body = expect(answer, StatusCode::OK).await;
        if shown.read == "dashboard" {
            assert_eq!(body["position"], position);
            assert!(body["as_of"].is_string(), "{path}");
            // What others did since the workspace's last event is no part of what it shows.
            (body["as_of"], body["position"]) = (Value::Null, shown.body["position"].clone());
        }
        assert_eq!(body, shown.body, "{path}");
        position
    };
    for (n, shown) in shown.iter().enumerate() {
        assert_eq!(compare(&callers, shown, shown.position.to_string()).await, shown.position);
        if n % 3 == 0 {
            let time = shown.time.to_rfc3339_opts(SecondsFormat::Nanos, true);
            assert!(compare(&callers, shown, time).await <= position);
        }
    }

    // Killed in the middle of it, and the past is what it was.
    let ask = callers[0].get("/api/v1/dashboard?as_of=11").send();
    let (_, ()) = tokio::join!(ask, weir.kill());
    weir.restart().await;
    for caller in &mut callers {
        weir.url().clone_into(&mut caller.url);
    }
    for shown in shown.iter().step_by(5) {
        compare(&callers, shown, shown.position.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_cannot_be_shown_says_why() {
    let weir = Weir::start_with(&[("WEIR_PAST_EVENTS", "3")]).await;
    let ada = weir.register("ada").await;
    let position = ada.upload("t", b"a\n1\n".to_vec()).await["position"].as_u64().unwrap();
    let get = async |as_of: &str| ada.get(&format!("/api/v1/dashboard?as_of={as_of}")).send().await.unwrap();
    let ahead = expect(get("1000").await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(ahead["code"], "as_of_ahead");
    assert!(ahead["detail"].as_str().unwrap().contains(&position.to_string()), "{ahead}");
    let future = expect(get("2999-01-01").await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(
        (&future["code"], &future["errors"][0]["field"]),
        (&json!("invalid_parameter"), &json!("as_of"))
    );
    let large = expect(get(&position.to_string()).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(large["code"], "past_too_large", "{large}");
    let empty = expect(get("0").await, StatusCode::OK).await;
    assert_eq!((&empty["position"], &empty["overview"]["datasets"]), (&json!(0), &json!(0)));
    assert_eq!(empty["activity"], json!([]));
}
