//! The stream over HTTP: live, page by page, across restarts, and for those alone whose it is.

use std::{collections::BTreeSet, time::Duration};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use weir_tests::{Caller, Weir, expect};

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One block of an event stream.
#[derive(Debug, Clone, Default, PartialEq)]
struct Block {
    id: Option<u64>,
    event: String,
    data: Option<Value>,
}

/// An open stream.
struct Stream {
    answer: Response,
    text: String,
}

impl Stream {
    async fn open(caller: &Caller, query: &str, last: Option<u64>) -> Self {
        let mut request = caller.get(&format!("/api/v1/events{query}")).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.timeout(Duration::from_secs(120)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The next block; `None` when the stream is over, or was cut.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut parsed = Block::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => parsed.id = Some(id.parse().unwrap()),
                        Some(("event", kind)) => parsed.event = kind.to_owned(),
                        Some(("data", data)) => parsed.data = Some(serde_json::from_str(data).unwrap()),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                return Some(parsed);
            }
            let chunk = timeout(PATIENCE, self.answer.chunk()).await.expect("a sign of life");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next event.
    async fn event(&mut self) -> Option<Value> {
        loop {
            if let Some(data) = self.block().await?.data {
                return Some(data);
            }
        }
    }
}

/// All events of the caller's workspace, page by page.
async fn log(caller: &Caller, query: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.read(&format!("/api/v1/events?limit={limit}{query}{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{page}");
        all.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn ask(caller: &Caller, n: usize) {
    let sql = json!({"sql": format!("SELECT {n}")});
    // The server may be on its way down.
    let _ = caller.post("/api/v1/queries").json(&sql).send().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_it_was_across_restarts() {
    let mut weir = Weir::start().await;
    let mut ada = weir.register("ada").await;
    let mut bob = weir.register("bob").await;
    ada.upload("t", b"a\n1\n".to_vec()).await;
    let mut seen: Vec<Value> = Vec::new();
    for round in 0..4 {
        let last = seen.last().map(|event| event["position"].as_u64().unwrap());
        let mut stream = Stream::open(&ada, "?after=0", last).await;
        let work = async {
            for n in 0..20 {
                ask(&ada, round * 100 + n).await;
                ask(&bob, n).await;
            }
        };
        let read = async {
            // Some of them, in the middle of the work; then the line is cut.
            for _ in 0..12 {
                seen.extend(stream.event().await);
            }
        };
        tokio::join!(work, read);
        if round % 2 == 0 {
            weir.kill().await;
        } else {
            weir.stop().await;
            // What is still on its way comes, and then an end from which one can go on.
            while let Some(event) = stream.event().await {
                if event["code"] == "busy" {
                    break;
                }
                seen.push(event);
            }
        }
        weir.restart().await;
        for caller in [&mut ada, &mut bob] {
            weir.anonymous().url.clone_into(&mut caller.url);
        }
    }
    let all = log(&ada, "", 7).await;
    let last = seen.last().map(|event| event["position"].as_u64().unwrap());
    let mut stream = Stream::open(&ada, "?after=0", last).await;
    while seen.len() < all.len() {
        seen.push(stream.event().await.expect("the rest"));
    }
    assert_eq!(seen, all, "no gap, no repeat, in order");
    assert!(all.len() > 80, "{}", all.len());
    let mine: BTreeSet<&str> = all.iter().map(|event| event["workspace"].as_str().unwrap()).collect();
    assert_eq!(mine, BTreeSet::from([&*ada.workspace]));
    let positions: Vec<_> = all.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert!(positions.is_sorted_by(|a, b| a < b));
    assert_eq!(all[0]["type"], "weir.workspace.created.v1");
    assert_eq!(all[0]["specversion"], "1.0");
}

/// Every kind of thing done once, and each of its events has the form that is published for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_has_the_form_that_is_published() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let bob = weir.register("bob").await;
    let made = ada.upload("t", b"a,b\n1,x\n2,y\n".to_vec()).await;
    let dataset = format!("/api/v1/datasets/{}", made["id"].as_str().unwrap());
    let change = async |path: &str, body: Value| {
        let request = ada.request(reqwest::Method::PATCH, path).json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    };
    let delete = async |path: &str| {
        assert!(
            ada.request(reqwest::Method::DELETE, path).send().await.unwrap().status().is_success(),
            "{path}"
        );
    };
    let post = async |path: &str, body: Value| -> Value {
        let answer = ada.post(path).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    };
    change(&dataset, json!({"name": "u", "description": "About u."})).await;
    for bytes in ["a,b\n3,z\n", "a,b\n1,2,3\n4\n"] {
        let version = ada.post(&format!("{dataset}/versions")).header("content-type", "text/csv");
        version.header("prefer", "wait=30").body(bytes).send().await.unwrap();
    }
    let run = post("/api/v1/queries", json!({"sql": "SELECT a, count(*) AS n FROM u GROUP BY a"})).await;
    let _ = ada.post("/api/v1/queries").json(&json!({"sql": "SELECT nothing FROM u"})).send().await.unwrap();
    let query = format!("/api/v1/queries/{}", run["query_id"].as_str().unwrap());
    post(&format!("{query}/save"), json!({"name": "Counts"})).await;
    change(&query, json!({"name": "More counts"})).await;
    delete(&query).await;
    let chart = json!({"name": "c", "query": {"sql": "SELECT a, b FROM u"}, "chart": {"type": "bar", "x": "b", "y": "a"}});
    let chart = post("/api/v1/visualizations", chart).await;
    let chart = format!("/api/v1/visualizations/{}", chart["id"].as_str().unwrap());
    change(&chart, json!({"name": "d", "description": "About d."})).await;
    delete(&chart).await;
    post(&format!("{chart}/restore"), json!({})).await;
    let context = "---\nname: About u\nversion: 1.0.0\ndescription: What u means, for everybody.\n\
                   datasets:\n  - {id: u, name: U, dataset_id: u}\n---\n";
    let context = post("/api/v1/contexts", json!({"content": context})).await;
    delete(&format!("/api/v1/contexts/{}", context["id"].as_str().unwrap())).await;
    delete(&dataset).await;
    post(&format!("{dataset}/restore"), json!({})).await;
    let team = post("/api/v1/workspaces", json!({"name": "Team"})).await;
    let members = format!("/api/v1/workspaces/{}/members", team["id"].as_str().unwrap());
    post(&members, json!({"email": bob.email, "role": "viewer"})).await;

    let asyncapi = weir.anonymous().read("/asyncapi.json").await;
    let mut told = log(&ada, "", 200).await;
    let of_team = ada.get("/api/v1/events?limit=200").header("weir-workspace", team["id"].as_str().unwrap());
    told.extend(
        expect(of_team.send().await.unwrap(), StatusCode::OK).await["items"].as_array().unwrap().clone(),
    );
    let mut kinds = BTreeSet::new();
    for event in &told {
        let kind = event["type"].as_str().unwrap();
        let schema = weir.anonymous().read(&format!("/api/v1/events/schemas/{kind}")).await;
        assert_eq!(asyncapi["components"]["schemas"][kind], schema, "{kind}");
        let form = jsonschema::validator_for(&schema).unwrap();
        let wrong: Vec<String> = form.iter_errors(&event["data"]).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{event}: {wrong:?}");
        kinds.insert(kind.to_owned());
    }
    assert!(kinds.len() >= 20, "{kinds:?}");
    let none = weir.anonymous().get("/api/v1/events/schemas/weir.nothing.v1").send().await.unwrap();
    assert_eq!(expect(none, StatusCode::NOT_FOUND).await["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_seen_at_once_and_only_what_is_wanted() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let bob = weir.register("bob").await;
    let mut all = Stream::open(&ada, "", None).await;
    let mut uploads = Stream::open(&ada, "?types=weir.dataset.uploaded.v2,weir.dataset.ingested", None).await;
    let mut others = Stream::open(&bob, "", None).await;
    // The greeting says where each begins.
    let begun = all.block().await.unwrap().id.unwrap();
    let made = ada.upload("t", b"a\n1\n".to_vec()).await;
    let id = made["id"].as_str().unwrap();
    let first = all.event().await.unwrap();
    assert!(first["position"].as_u64().unwrap() > begun);
    for wanted in ["weir.dataset.uploaded.v2", "weir.dataset.ingested.v1"] {
        let event = uploads.event().await.unwrap();
        assert_eq!((&event["type"], &event["subject"]), (&json!(wanted), &json!(format!("dataset/{id}"))));
        assert_eq!(
            event["actor"].as_str().map(|a| a.split(':').next().unwrap()),
            Some(if wanted.contains("up") { "user" } else { "system" })
        );
    }
    let begun = Instant::now();
    ask(&ada, 1).await;
    while all.event().await.unwrap()["type"] != "weir.query.executed.v1" {}
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // A stream that leaves everything out still says how far it is, and nothing of it is anybody else's.
    let mut quiet = Stream::open(&ada, "?types=weir.member", None).await;
    let before = quiet.block().await.unwrap().id.unwrap();
    ask(&ada, 2).await;
    let beat = quiet.block().await.unwrap();
    assert!(beat.data.is_none() && beat.id.unwrap() > before, "{beat:?}");
    others.block().await.unwrap();
    assert_eq!(others.block().await.unwrap().data, None, "a beat, and no event of another workspace");

    // The same in pages.
    let runs = log(&ada, "&types=weir.query&aggregates=query", 1).await;
    assert_eq!(runs.len(), 2);
    let one = log(&ada, &format!("&aggregates=dataset/{id}"), 50).await;
    assert_eq!(
        one.iter().map(|e| &e["type"]).collect::<Vec<_>>(),
        ["weir.dataset.uploaded.v2", "weir.dataset.ingested.v1"]
    );
    let after = one[0]["position"].as_u64().unwrap();
    assert_eq!(log(&ada, &format!("&aggregates=dataset/{id}&after={after}"), 50).await, one[1..]);
    let mine: BTreeSet<String> =
        log(&bob, "", 200).await.iter().map(|e| e["workspace"].to_string()).collect();
    assert_eq!(mine.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_limited_and_end_with_their_token() {
    let weir = Weir::start_with(&[("WEIR_EVENT_STREAMS", "2")]).await;
    let ada = weir.register("ada").await;
    let key = json!({"name": "a program", "role": "viewer"});
    let key = ada.make("/api/v1/api-keys", &key, StatusCode::CREATED).await;
    let program = Caller { token: key["key"].as_str().map(str::to_owned), ..ada.clone() };
    let mut stream = Stream::open(&program, "", None).await;
    let other = Stream::open(&ada, "", None).await;
    let live = |caller: &Caller, query: &str| {
        caller.get(&format!("/api/v1/events{query}")).header("accept", "text/event-stream")
    };
    let third = live(&ada, "").send().await.unwrap();
    assert_eq!(third.headers()["retry-after"], "10");
    assert_eq!(expect(third, StatusCode::TOO_MANY_REQUESTS).await["code"], "too_many_streams");
    drop(other);

    stream.block().await.unwrap();
    let gone =
        ada.request(reqwest::Method::DELETE, &format!("/api/v1/api-keys/{}", key["id"].as_str().unwrap()));
    assert!(gone.send().await.unwrap().status().is_success());
    let end = loop {
        let block = stream.block().await.expect("an end that says why");
        if block.event == "weir.stream.ended" {
            break block;
        }
    };
    assert_eq!(end.data.unwrap()["code"], "token_invalid");
    assert_eq!(stream.block().await, None);

    for (query, code) in [
        ("?after=99999", "invalid_parameter"),
        ("?after=x", "invalid_parameter"),
        ("?limit=5", "invalid_parameter"),
        ("?aggregates=table", "invalid_parameter"),
    ] {
        let refused = live(&ada, query).send().await.unwrap();
        assert_eq!(expect(refused, StatusCode::UNPROCESSABLE_ENTITY).await["code"], code, "{query}");
    }
    let last = live(&ada, "").header("last-event-id", "x").send().await.unwrap();
    assert_eq!(expect(last, StatusCode::UNPROCESSABLE_ENTITY).await["errors"][0]["field"], "Last-Event-ID");
    assert_eq!(weir.anonymous().get("/api/v1/events").send().await.unwrap().status(), 401);
    let strange = ada.get("/api/v1/events").header("accept", "text/html").send().await.unwrap();
    assert_eq!(expect(strange, StatusCode::NOT_ACCEPTABLE).await["code"], "not_acceptable");
}
