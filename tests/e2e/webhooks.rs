//! Webhooks: a real server is told, that fails, hangs, redirects, and is away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use weir_tests::{Caller, Weir, expect};

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message as it came.
#[derive(Debug, Clone)]
struct Heard {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    event: Value,
}

impl Heard {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn position(&self) -> u64 {
        // A message that is sent to try the webhook has none.
        self.event["position"].as_u64().unwrap_or_default()
    }

    /// The number in `SELECT <number> AS one`.
    fn number(&self) -> u64 {
        self.event["data"]["sql"].as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Whether one of the signatures is of that secret.
    fn signed_with(&self, secret: &str) -> bool {
        let key = base64(secret.strip_prefix("whsec_").unwrap());
        let signed =
            [format!("{}.{}.", self.id(), self.headers["webhook-timestamp"]).as_bytes(), &self.body].concat();
        let wanted = hmac(&key, &signed);
        let signatures = self.headers["webhook-signature"].split(' ');
        signatures.filter_map(|s| s.strip_prefix("v1,")).any(|s| base64(s) == wanted)
    }
}

fn base64(text: &str) -> Vec<u8> {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// HMAC-SHA256, written out: what is tested must not verify itself.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let inner = Sha256::digest([&pad(0x36)[..], message].concat());
    Sha256::digest([&pad(0x5c)[..], &inner[..]].concat()).to_vec()
}

/// What a server does with a message.
#[derive(Debug, Clone)]
enum Act {
    Say(&'static str),
    Hang,
}

type Script = Box<dyn Fn(&Heard, usize) -> Act + Send + Sync>;

/// A server that hears messages.
struct Receiver {
    url: String,
    host: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(|_, _| Act::Say("204 No Content"))));
        let (all, acts) = (heard.clone(), script.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hear(stream, all.clone(), acts.clone()));
            }
        });
        Self { url: format!("http://{host}"), host, heard, script, task }
    }

    fn act(&self, script: impl Fn(&Heard, usize) -> Act + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until what was heard is as wanted.
    async fn until(&self, what: &str, so: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let reached = async {
            loop {
                let heard = self.heard();
                if so(&heard) {
                    return heard;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("in vain: {what}: {:#?}", self.heard()))
    }
}

async fn hear(mut stream: TcpStream, all: Arc<Mutex<Vec<Heard>>>, script: Arc<Mutex<Script>>) -> Option<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> =
        lines.filter_map(|l| l.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
    let length: usize = headers["content-length"].parse().ok()?;
    while bytes.len() < head + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let body = bytes[head + 4..].to_vec();
    let event = serde_json::from_slice(&body).ok()?;
    let heard = Heard { path, headers, body, event };
    let act = {
        let mut all = all.lock().unwrap();
        let before = all.iter().filter(|other| other.id() == heard.id()).count();
        let act = script.lock().unwrap()(&heard, before);
        all.push(heard);
        act
    };
    match act {
        Act::Say(status) => {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok()
        }
        Act::Hang => {
            sleep(Duration::from_secs(60)).await;
            None
        }
    }
}

async fn ask(caller: &Caller, sql: &str) -> u64 {
    let answer = caller.make("/api/v1/queries", &json!({"sql": sql}), StatusCode::OK).await;
    answer["position"].as_u64().unwrap()
}

async fn hook(caller: &Caller, url: &str, more: Value) -> (String, String) {
    let mut body = json!({"url": url});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = caller.make("/api/v1/webhooks", &body, StatusCode::CREATED).await;
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

async fn patch(caller: &Caller, id: &str, body: Value) -> Value {
    let request = caller.request(Method::PATCH, &format!("/api/v1/webhooks/{id}")).json(&body);
    expect(request.send().await.unwrap(), StatusCode::OK).await
}

async fn until_status(caller: &Caller, id: &str, status: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let hook = caller.read(&format!("/api/v1/webhooks/{id}")).await;
        if hook["status"] == status {
            return hook;
        }
        assert!(Instant::now() < until, "{hook}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn start(receiver: &Receiver, more: &[(&str, &str)]) -> Weir {
    let mut env = vec![
        ("WEIR_WEBHOOK_HOSTS", receiver.host.as_str()),
        ("WEIR_WEBHOOK_RETRY", "30ms"),
        ("WEIR_WEBHOOK_TIME", "1s"),
    ];
    env.extend_from_slice(more);
    Weir::start_with(&env).await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_signed_in_order_and_until_they_arrive() {
    let receiver = Receiver::start().await;
    let mut server = start(&receiver, &[]).await;
    let (mut ada, bob) = (server.register("ada").await, server.register("bob").await);
    let (id, secret) =
        hook(&ada, &format!("{}/a?token=geheim", receiver.url), json!({"types": ["weir.query"]})).await;
    // Of one pattern, so that they are about one thing: the first of each refuses at first, in many ways.
    receiver.act(|heard, before| match (heard.number() % 4, before) {
        (0, 0..3) => Act::Say("500 Internal Server Error"),
        (1, 0) => Act::Say("302 Found\r\nlocation: http://127.0.0.1:1/"),
        (2, 0) => Act::Hang,
        _ => Act::Say("200 OK"),
    });
    let mut positions = Vec::new();
    for n in 0..12 {
        positions.push(ask(&ada, &format!("SELECT {n} AS one")).await);
        ask(&bob, "SELECT 'of bob'").await;
    }
    let arrived = |heard: &[Heard]| {
        // What was answered with 200: the last try of each.
        let mut last = BTreeMap::new();
        heard.iter().for_each(|h| *last.entry(h.position()).or_insert(0) += 1);
        last.len()
    };
    let heard = receiver
        .until("all arrive", |heard| {
            arrived(heard) == 12 && {
                let last = heard.last().unwrap();
                last.position() == *positions.last().unwrap()
            }
        })
        .await;
    // In order, each again until it arrived, and then no more.
    let order: Vec<u64> = heard.iter().map(Heard::position).collect();
    assert!(order.is_sorted(), "{order:?}");
    let mut distinct = order.clone();
    distinct.dedup();
    assert_eq!(distinct, positions);
    for message in &heard {
        assert!(message.signed_with(&secret), "{message:?}");
        assert_eq!(
            (&*message.path, &message.event["type"]),
            ("/a?token=geheim", &json!("weir.query.executed.v1"))
        );
        assert_eq!(message.event["workspace"], ada.workspace, "{message:?}");
        assert!(message.event["data"]["sql"].as_str().unwrap().starts_with("SELECT "), "texts are opened");
        let others = heard.iter().filter(|other| other.position() == message.position());
        assert!(others.clone().all(|other| other.id() == message.id()), "again, it is the same message");
    }
    let shown = ada.read(&format!("/api/v1/webhooks/{id}/deliveries?status=delivered")).await;
    let first = shown["items"].as_array().unwrap().iter().find(|d| d["position"] == positions[0]).unwrap();
    assert_eq!(
        (&first["attempts"], &first["response_status"], &first["error"]),
        (&json!(4), &json!(200), &json!(null))
    );

    // Killed at any moment, it is told at least once, and in order.
    receiver.act(|_, _| Act::Say("200 OK"));
    let before = receiver.heard().len();
    for round in 0..2 {
        let mut asked = Vec::new();
        for n in 0..10 {
            asked.push(ask(&ada, &format!("SELECT {n} AS one")).await);
        }
        sleep(Duration::from_millis(7 * round)).await;
        server.kill().await;
        server.restart().await;
        ada.url = server.url().to_owned();
        let all = receiver
            .until("they arrive after a kill", |heard| {
                asked.iter().all(|p| heard[before..].iter().any(|h| h.position() == *p))
            })
            .await;
        let mut firsts: Vec<u64> = Vec::new();
        for message in &all[before..] {
            if !firsts.contains(&message.position()) {
                firsts.push(message.position());
            }
        }
        assert!(firsts.is_sorted(), "{firsts:?}");
    }

    // Paused it hears nothing, and of what happened meanwhile when it is resumed.
    patch(&ada, &id, json!({"active": false})).await;
    let meanwhile = ask(&ada, "SELECT 99 AS one").await;
    let (other, _) = hook(&ada, &format!("{}/b", receiver.url), json!({"aggregates": ["query"]})).await;
    let now = ask(&ada, "SELECT 100 AS one").await;
    receiver
        .until("the other one hears", |heard| heard.iter().any(|h| h.path == "/b" && h.position() == now))
        .await;
    assert!(!receiver.heard().iter().any(|h| h.path != "/b" && h.position() >= meanwhile));
    assert!(
        !receiver.heard().iter().any(|h| h.path == "/b" && h.position() == meanwhile),
        "it was made later"
    );
    patch(&ada, &id, json!({"active": true})).await;
    receiver
        .until("it is told", |heard| {
            [meanwhile, now].iter().all(|p| heard.iter().any(|h| h.path != "/b" && h.position() == *p))
        })
        .await;
    patch(&ada, &id, json!({"active": false})).await;
    let skipped = ask(&ada, "SELECT 101 AS one").await;
    patch(&ada, &id, json!({"active": true, "skip": true})).await;
    let after = ask(&ada, "SELECT 102 AS one").await;
    receiver
        .until("what comes after", |heard| heard.iter().any(|h| h.path != "/b" && h.position() == after))
        .await;
    assert!(!receiver.heard().iter().any(|h| h.path != "/b" && h.position() == skipped));

    // Another secret: for a while both sign.
    let renewed = ada.make(&format!("/api/v1/webhooks/{id}/rotate-secret"), &json!({}), StatusCode::OK).await;
    let renewed = renewed["secret"].as_str().unwrap().to_owned();
    let tested = ada.make(&format!("/api/v1/webhooks/{id}/test"), &json!({}), StatusCode::OK).await;
    assert_eq!((&tested["delivered"], &tested["response_status"]), (&json!(true), &json!(200)), "{tested}");
    let heard = receiver.heard();
    let test = heard.iter().find(|h| h.event["type"] == "weir.webhook.test").unwrap();
    assert!(test.signed_with(&secret) && test.signed_with(&renewed) && secret != renewed);
    assert!(!test.signed_with("whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="));

    // Sent again it is the same message.
    let path = format!("/api/v1/webhooks/{id}/deliveries");
    let newest = ada.read(&path).await["items"][0].clone();
    let again = format!("{path}/{}/resend", newest["id"].as_str().unwrap());
    ada.make(&again, &json!({}), StatusCode::ACCEPTED).await;
    let message = format!("msg_{}", newest["id"].as_str().unwrap().replace('-', ""));
    receiver.until("it comes again", |heard| heard.iter().filter(|h| h.id() == message).count() == 2).await;

    // Nobody else sees, changes or learns of it; nowhere is the address or the secret in clear text.
    for (method, path) in [
        (Method::GET, format!("/api/v1/webhooks/{id}")),
        (Method::PATCH, format!("/api/v1/webhooks/{id}")),
        (Method::DELETE, format!("/api/v1/webhooks/{id}")),
        (Method::GET, path.clone()),
        (Method::POST, again.clone()),
        (Method::POST, format!("/api/v1/webhooks/{id}/test")),
        (Method::POST, format!("/api/v1/webhooks/{id}/rotate-secret")),
        (
            Method::POST,
            format!("/api/v1/webhooks/{other}/deliveries/{}/resend", newest["id"].as_str().unwrap()),
        ),
    ] {
        let request = bob.request(method.clone(), &path).json(&json!({}));
        let mut request = request.build().unwrap();
        request.url_mut().set_port(Some(server.url().rsplit(':').next().unwrap().parse().unwrap())).unwrap();
        assert_eq!(
            bob.http.execute(request).await.unwrap().status(),
            StatusCode::NOT_FOUND,
            "{method} {path}"
        );
    }
    let told = ada.read("/api/v1/activity?limit=200").await.to_string()
        + &ada.read("/api/v1/events?limit=200").await.to_string()
        + &ada.read("/api/v1/webhooks").await.to_string();
    assert!(
        !told.contains("geheim") && !told.contains("whsec_") && told.contains("made the webhook to "),
        "{told}"
    );
    assert!(!receiver.heard().iter().any(|h| h.event["type"].as_str().unwrap().starts_with("weir.webhook.")
        && h.event["type"] != "weir.webhook.test"));

    // Deleted it hears nothing more.
    let deleted = ada.request(Method::DELETE, &format!("/api/v1/webhooks/{id}")).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::OK);
    let last = ask(&ada, "SELECT 103 AS one").await;
    receiver
        .until("the other one hears", |heard| heard.iter().any(|h| h.path == "/b" && h.position() == last))
        .await;
    assert!(!receiver.heard().iter().any(|h| h.path != "/b" && h.position() == last));
    ada.make(&again, &json!({}), StatusCode::NOT_FOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_for_long_is_given_up_and_waits_for_nobody() {
    let receiver = Receiver::start().await;
    let limits = [("WEIR_WEBHOOK_GIVE_UP", "700ms"), ("WEIR_WEBHOOK_WAITING", "5"), ("WEIR_WEBHOOKS", "3")];
    let server = start(&receiver, &limits).await;
    let ada = server.register("ada").await;
    let (good, _) = hook(&ada, &format!("{}/good", receiver.url), json!({})).await;
    let (bad, _) = hook(&ada, &format!("{}/bad", receiver.url), json!({"types": ["weir.query"]})).await;
    let (gone, _) = hook(&ada, &format!("{}/gone", receiver.url), json!({"types": ["weir.query"]})).await;
    let many = ada.make("/api/v1/webhooks", &json!({"url": receiver.url}), StatusCode::CONFLICT).await;
    assert_eq!(many["code"], "too_many_webhooks", "{many}");
    receiver.act(|heard, _| match &*heard.path {
        "/bad" => Act::Say("503 Service Unavailable"),
        "/gone" => Act::Say("410 Gone"),
        _ => Act::Say("200 OK"),
    });
    let mut positions = Vec::new();
    for n in 0..20 {
        positions
            .push(ask(&ada, &format!("SELECT {n} AS {}", if n % 2 == 0 { "even" } else { "odd" })).await);
    }
    let reason = until_status(&ada, &gone, "disabled").await["reason"].clone();
    assert!(reason.as_str().unwrap().contains("410"), "{reason}");
    // About two things two messages may have been under way; neither comes again.
    let told: Vec<String> =
        receiver.heard().iter().filter(|h| h.path == "/gone").map(|h| h.id().to_owned()).collect();
    let distinct: BTreeSet<_> = told.iter().collect();
    assert!(distinct.len() == told.len() && told.len() <= 2, "{told:?}");
    let hook = until_status(&ada, &bad, "disabled").await;
    assert!(hook["reason"].as_str().unwrap().contains("503"), "{hook}");
    // It is noted of the delivery after it is said of the webhook.
    let failed = format!("/api/v1/webhooks/{bad}/deliveries?status=failed");
    let until = Instant::now() + PATIENCE;
    let failing = loop {
        let failing = ada.read(&failed).await;
        if failing["items"][0].is_object() {
            break failing;
        }
        assert!(Instant::now() < until, "{failing}");
        sleep(Duration::from_millis(20)).await;
    };
    assert!(failing["items"][0]["attempts"].as_i64().unwrap() > 2, "{failing}");
    let waiting = ada.read(&format!("/api/v1/webhooks/{bad}/deliveries?limit=200&status=waiting")).await;
    assert!((1..=5).contains(&waiting["items"].as_array().unwrap().len()), "{waiting}");
    // Whoever hears well is told of it, and of everything else, meanwhile.
    receiver
        .until("the good one hears all", |heard| {
            positions.iter().all(|p| heard.iter().any(|h| h.path == "/good" && h.position() == *p))
        })
        .await;
    assert_eq!(ada.read(&format!("/api/v1/webhooks/{good}")).await["status"], "active");
    let activity = ada.read("/api/v1/activity?limit=200").await.to_string();
    assert!(activity.contains("gave up the webhook to "), "{activity}");
    let again = failing["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/webhooks/{bad}/deliveries/{again}/resend");
    assert_eq!(ada.make(&path, &json!({}), StatusCode::CONFLICT).await["code"], "webhook_inactive");

    // Back again it hears all of it, in the order of each thing.
    receiver.act(|_, _| Act::Say("200 OK"));
    let before = receiver.heard().len();
    patch(&ada, &bad, json!({"active": true})).await;
    let heard = receiver
        .until("the bad one hears all", |heard| {
            positions.iter().all(|p| heard[before..].iter().any(|h| h.path == "/bad" && h.position() == *p))
        })
        .await;
    for parity in [0, 1] {
        let of: Vec<u64> = positions.iter().copied().skip(parity).step_by(2).collect();
        let told: Vec<u64> = heard[before..]
            .iter()
            .filter(|h| h.path == "/bad")
            .map(Heard::position)
            .filter(|p| of.contains(p))
            .collect();
        assert_eq!(told, of);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_public_addresses_are_told() {
    let receiver = Receiver::start().await;
    let server = start(&receiver, &[]).await;
    let ada = server.register("ada").await;
    for url in [
        "https://127.0.0.1/x",
        "http://127.0.0.1:1/x",
        "https://localhost/x",
        "https://10.1.2.3/x",
        "https://[::1]/x",
        "http://example.org/x",
        "https://user:word@example.org/x",
        "file:///x",
        "x",
    ] {
        let refused = ada.post("/api/v1/webhooks").json(&json!({"url": url})).send().await.unwrap();
        // What a name leads to is found out when it is told.
        if url.contains("localhost") {
            let made = expect(refused, StatusCode::CREATED).await;
            let path = format!("/api/v1/webhooks/{}/test", made["id"].as_str().unwrap());
            let tested = ada.make(&path, &json!({}), StatusCode::OK).await;
            assert_eq!(
                (&tested["delivered"], &tested["error"]),
                (&json!(false), &json!("the address is not public, or nobody knows its name"))
            );
            continue;
        }
        let problem = expect(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["code"], "webhook_address_refused", "{url}: {problem}");
    }
    for body in [
        json!({"url": receiver.url, "types": ["dataset"]}),
        json!({"url": receiver.url, "aggregates": ["table"]}),
        json!({"url": receiver.url, "secret": "x"}),
        json!({}),
    ] {
        ada.make("/api/v1/webhooks", &body, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let keyed = async || {
        let body = json!({"url": receiver.url});
        let request = ada.post("/api/v1/webhooks").header("idempotency-key", "once").json(&body);
        expect(request.send().await.unwrap(), StatusCode::CREATED).await
    };
    assert_eq!(keyed().await, keyed().await);
    assert_eq!(ada.read("/api/v1/webhooks").await["items"].as_array().unwrap().len(), 2);
}
