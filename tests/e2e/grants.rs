//! Keys for NATS: what they read, and everything that they do not.

use std::{collections::BTreeMap, process::Output, time::Duration};

use async_nats::{
    Client, ConnectOptions, Event,
    jetstream::{self, consumer::PullConsumer},
};
use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{process::Command, sync::mpsc, time::timeout};
use weir_events::{Actor, Commit, EventId, EventLog, Metadata, NewEvent, Subject, UserId, WorkspaceId, name};
use weir_tests::{Caller, Weir, binary, root};

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what must not come is waited for.
const QUIET: Duration = Duration::from_millis(300);

async fn weir(weir: &Weir, args: &[&str]) -> Output {
    let bin = std::env::var_os("WEIR_BIN_DIR").unwrap_or_else(|| root().join(".weir/bin").into());
    let mut command = Command::new(binary());
    command.arg("events").args(args).arg("--data-dir").arg(weir.data()).env("WEIR_BIN_DIR", bin);
    command.output().await.unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A grant is made for good; the server may have to listen elsewhere when it starts again.
fn moved(of: &Weir, grant: &mut Value) {
    grant["server"] = json!(format!("nats://127.0.0.1:{}", of.runtime()["nats_port"]));
}

async fn grant(of: &Weir, caller: &Caller, more: &[&str]) -> Value {
    let args = [&["grant", "--json", "--workspace", &caller.workspace], more].concat();
    serde_json::from_str(&text(&weir(of, &args).await)).unwrap()
}

/// Everything that happened in the caller's workspace, by position.
async fn log(caller: &Caller) -> BTreeMap<u64, String> {
    let page = caller.read("/api/v1/events?limit=200").await;
    assert_eq!(page["next_cursor"], Value::Null);
    let items = page["items"].as_array().unwrap();
    items.iter().map(|e| (e["position"].as_u64().unwrap(), e["id"].as_str().unwrap().to_owned())).collect()
}

async fn ask(caller: &Caller, n: usize) {
    caller.make("/api/v1/queries", &json!({"sql": format!("SELECT {n}")}), StatusCode::OK).await;
}

/// A connection with a grant's key, and what the server says to it.
struct Reader {
    client: Client,
    said: mpsc::UnboundedReceiver<Event>,
    consumer: String,
}

impl Reader {
    async fn connect(grant: &Value) -> Self {
        let (tell, said) = mpsc::unbounded_channel();
        let client = ConnectOptions::with_nkey(grant["seed"].as_str().unwrap().to_owned())
            .event_callback(move |event| {
                let _ = tell.send(event);
                async {}
            })
            .connect(grant["server"].as_str().unwrap())
            .await
            .unwrap();
        Self { client, said, consumer: grant["consumer"].as_str().unwrap().to_owned() }
    }

    async fn consumer(&self) -> PullConsumer {
        let jetstream = jetstream::with_prefix(self.client.clone(), "WEIR.API");
        jetstream.get_consumer_from_stream(&self.consumer, "WEIR_EVENTS").await.unwrap()
    }

    /// So many events, acknowledged, by position.
    async fn take(&self, count: usize) -> BTreeMap<u64, String> {
        let mut events = BTreeMap::new();
        let mut messages = self.consumer().await.messages().await.unwrap();
        while events.len() < count {
            let message = timeout(PATIENCE, messages.next()).await.expect("an event").unwrap().unwrap();
            let position = message.info().unwrap().stream_sequence;
            let id = message.headers.as_ref().unwrap().get("ce-id").unwrap().to_string();
            assert_eq!(message.info().unwrap().delivered, 1, "{position} came before");
            assert_eq!(events.insert(position, id), None, "{position} came before");
            message.double_ack().await.unwrap();
        }
        events
    }

    /// Waits until the server says that something is not allowed.
    async fn refused(&mut self, what: &str) {
        let refusal = async {
            loop {
                let event = self.said.recv().await.unwrap().to_string();
                if event.to_lowercase().contains("permissions violation") {
                    return event;
                }
            }
        };
        let refusal = timeout(PATIENCE, refusal).await.unwrap_or_else(|_| panic!("{what} is allowed"));
        assert!(refusal.to_lowercase().contains(&what.to_lowercase()), "{what}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_reads_one_workspace_from_the_beginning_on_and_across_restarts() {
    let mut server = Weir::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.upload("t", format!("a\n{}\n", "1".repeat(100)).into_bytes()).await;
    ask(&bob, 1).await;
    let mut given = grant(&server, &ada, &["--name", "the warehouse"]).await;
    let seed = given["seed"].as_str().unwrap().to_owned();

    let before = log(&ada).await;
    let reader = Reader::connect(&given).await;
    let mut seen = reader.take(before.len()).await;
    assert_eq!(seen, before);
    // Live: it waits, and something happens.
    let (live, ()) = tokio::join!(reader.take(1), async {
        ask(&bob, 2).await;
        ask(&ada, 3).await;
    });
    seen.extend(live);

    // Another grant, from a position on, and its coming and going do not disturb the first.
    let after = before.keys().next_back().unwrap();
    let second = grant(&server, &ada, &["--after", &after.to_string()]).await;
    let others = grant(&server, &bob, &[]).await;
    let later = log(&ada).await.split_off(&(after + 1));
    assert_eq!(Reader::connect(&second).await.take(later.len()).await, later);
    assert_eq!(Reader::connect(&others).await.take(2).await.len(), 2);
    ask(&ada, 4).await;
    let missing = log(&ada).await.len() - seen.len();
    seen.extend(reader.take(missing).await);
    assert_eq!(seen, log(&ada).await);

    // Twice: stopped in order, and killed.
    for round in 0..2 {
        if round == 0 {
            server.stop().await;
        } else {
            server.kill().await;
        }
        server.restart().await;
        moved(&server, &mut given);
        for caller in [&mut ada, &mut bob] {
            server.anonymous().url.clone_into(&mut caller.url);
        }
        for n in 0..5 {
            ask(&ada, 100 * round + n).await;
            ask(&bob, n).await;
        }
        let reader = Reader::connect(&given).await;
        let missing = log(&ada).await.len() - seen.len();
        let more = reader.take(missing).await;
        assert!(more.keys().all(|position| !seen.contains_key(position)), "none came twice");
        seen.extend(more);
        assert_eq!(seen, log(&ada).await);
    }

    let listed = text(&weir(&server, &["grants"]).await);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let first = listed.lines().next().unwrap();
    let last = seen.keys().next_back().unwrap();
    for part in
        [given["id"].as_str().unwrap(), &ada.workspace, "the warehouse", &format!("up to {last}, 0 to")]
    {
        assert!(first.contains(part), "{first}: {part}");
    }
    // The secret is kept nowhere.
    assert!(!listed.contains(&seed));
    let files = Command::new("grep").args(["-rlF", &seed]).arg(server.data()).output().await.unwrap();
    assert_eq!(text_of(&files.stdout), "");

    let more = [
        ("--workspace", "00000000-0000-0000-0000-000000000001", "there is nothing of"),
        ("--after", "999999", "the log ends"),
    ];
    for (flag, value, says) in more {
        let mut args = vec!["grant", flag, value];
        if flag != "--workspace" {
            args.extend(["--workspace", &ada.workspace]);
        }
        let error = refusal(&weir(&server, &args).await);
        assert!(error.contains(says) && error.lines().count() == 1, "{error}");
    }
    // What has no grant has no account.
    let configuration = std::fs::read_to_string(server.data().join("run/nats-grants.conf")).unwrap();
    assert_eq!(configuration.matches("nkey:").count(), 3);
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_nothing_else_and_ends_when_it_is_revoked() {
    let server = Weir::start().await;
    let ada = server.register("ada").await;
    let bob = server.register("bob").await;
    let given = grant(&server, &ada, &[]).await;
    let others = grant(&server, &bob, &[]).await;
    let mut reader = Reader::connect(&given).await;
    let consumer = reader.consumer.clone();
    let theirs = others["consumer"].as_str().unwrap();
    let operator = async_nats::ConnectOptions::new();
    let url: async_nats::ServerAddr = server.runtime()["nats_url"].as_str().unwrap().parse().unwrap();
    let operator = operator
        .user_and_password(url.username().unwrap().to_owned(), url.password().unwrap().to_owned())
        .connect(url.clone())
        .await
        .unwrap();
    let stream = jetstream::new(operator).get_stream("WEIR_EVENTS").await.unwrap();
    let state = async || {
        let info = stream.get_info().await.unwrap();
        (info.state.first_sequence, info.state.last_sequence, info.state.messages, info.state.consumer_count)
    };
    let before = state().await;

    // Not even its own subjects as they are: commands that are refused later are published there, too.
    for subject in [
        format!("weir.{}.>", ada.workspace),
        format!("weir.{}.>", bob.workspace),
        "weir.>".to_owned(),
        ">".to_owned(),
        "*.>".to_owned(),
        "$JS.>".to_owned(),
        "$SYS.>".to_owned(),
        "_R_.>".to_owned(),
    ] {
        let _subscription = reader.client.subscribe(subject.clone()).await.unwrap();
        reader.refused(&format!("subscription to \"{subject}\"")).await;
    }
    for subject in [
        format!("weir.{}.dataset.x", ada.workspace),
        format!("weir.{}.dataset.x", bob.workspace),
        "$JS.API.INFO".to_owned(),
        "$JS.API.STREAM.INFO.WEIR_EVENTS".to_owned(),
        "$JS.API.STREAM.PURGE.WEIR_EVENTS".to_owned(),
        "$JS.API.STREAM.DELETE.WEIR_EVENTS".to_owned(),
        "$JS.API.STREAM.MSG.GET.WEIR_EVENTS".to_owned(),
        "$JS.API.STREAM.MSG.DELETE.WEIR_EVENTS".to_owned(),
        format!("$JS.API.DIRECT.GET.WEIR_EVENTS.weir.{}.>", bob.workspace),
        "$JS.API.CONSUMER.CREATE.WEIR_EVENTS".to_owned(),
        format!("$JS.API.CONSUMER.CREATE.WEIR_EVENTS.{consumer}.weir.>"),
        format!("$JS.API.CONSUMER.DURABLE.CREATE.WEIR_EVENTS.{consumer}"),
        format!("$JS.API.CONSUMER.DELETE.WEIR_EVENTS.{consumer}"),
        format!("WEIR.API.CONSUMER.DELETE.WEIR_EVENTS.{consumer}"),
        format!("$JS.API.CONSUMER.INFO.WEIR_EVENTS.{theirs}"),
        format!("WEIR.API.CONSUMER.INFO.WEIR_EVENTS.{theirs}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.WEIR_EVENTS.{theirs}"),
        format!("WEIR.API.CONSUMER.MSG.NEXT.WEIR_EVENTS.{theirs}"),
        format!("$JS.ACK.WEIR_EVENTS.{theirs}.1.1.1.1.0"),
        "$SYS.REQ.ACCOUNT.PING.CONNZ".to_owned(),
    ] {
        reader.client.publish(subject.clone(), "{}".into()).await.unwrap();
        reader.refused(&format!("publish to \"{subject}\"")).await;
    }

    // What the server is to answer goes nowhere but to the grant's own account.
    let next = format!("WEIR.API.CONSUMER.MSG.NEXT.WEIR_EVENTS.{consumer}");
    let tricks = [
        format!("weir.{}.dataset.x", ada.workspace),
        format!("weir.{}.dataset.x", bob.workspace),
        "$JS.API.STREAM.PURGE.WEIR_EVENTS".to_owned(),
        format!("$JS.API.CONSUMER.DELETE.WEIR_EVENTS.{theirs}"),
        format!("WEIR.API.CONSUMER.MSG.NEXT.WEIR_EVENTS.{theirs}"),
        format!("WEIR.API.CONSUMER.INFO.WEIR_EVENTS.{consumer}"),
        next.clone(),
    ];
    for (n, trick) in tricks.iter().enumerate() {
        reader.client.publish_with_reply(next.clone(), trick.clone(), r#"{"batch":1}"#.into()).await.unwrap();
        // There is something to send each time; an answer that went astray would be there when this is.
        ask(&ada, n).await;
        assert_eq!(reader.consumer().await.cached_info().num_redelivered, 0);
    }
    let after = state().await;
    let page = ada.read(&format!("/api/v1/events?limit=200&after={}", before.1)).await;
    let new = page["items"].as_array().unwrap();
    assert!(new.len() >= tricks.len(), "{page}");
    assert!(new.iter().all(|event| event["type"] == "weir.query.executed.v1"), "{page}");
    let new = new.len() as u64;
    assert_eq!(after, (before.0, before.1 + new, before.2 + new, before.3));
    let untouched = Reader::connect(&others).await;
    assert_eq!(untouched.consumer().await.cached_info().delivered.consumer_sequence, 0);

    // So many connections and no more.
    let mut open = vec![];
    while open.len() < 15 {
        open.push(Reader::connect(&given).await);
    }
    let seed = given["seed"].as_str().unwrap();
    let again = async || {
        let options = ConnectOptions::with_nkey(seed.to_owned());
        timeout(PATIENCE, options.connect(given["server"].as_str().unwrap())).await.unwrap().err()
    };
    let error = again().await.expect("one too many").to_string();
    assert!(error.contains("maximum account"), "{error}");
    drop(open);

    let id = given["id"].as_str().unwrap();
    let mut waiting = reader.consumer().await.messages().await.unwrap();
    text(&weir(&server, &["revoke", id]).await);
    let ended = async { while !matches!(reader.said.recv().await.unwrap(), Event::Disconnected) {} };
    timeout(PATIENCE, ended).await.expect("the connection ends");
    let error = again().await.expect("nobody gets in").to_string();
    assert!(error.contains("authorization violation"), "{error}");
    ask(&ada, 99).await;
    let got = timeout(QUIET, async {
        loop {
            if let Some(Ok(_)) = waiting.next().await {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    assert!(got.await.is_err(), "nothing more is read");
    let error = refusal(&weir(&server, &["revoke", id]).await);
    assert!(error.contains("there is no grant"), "{error}");
    assert_eq!(untouched.take(1).await.len(), 1, "others go on");
}

/// Weir can make the consumer there, and not tell the server of the key: it says what the server must be told.
#[tokio::test]
async fn a_server_of_somebody_else_needs_its_configuration_changed_by_them() {
    let nats = weir_infra::testing::Nats::start().await;
    let log =
        weir_infra::log::JetStreamLog::connect(nats.client().await, weir_infra::log::Options::default());
    let workspace = WorkspaceId(uuid::Uuid::now_v7());
    let event = NewEvent {
        subject: Subject::name(workspace, name::Kind::Dataset, "t"),
        meta: Metadata {
            id: EventId(uuid::Uuid::now_v7()),
            time: chrono::Utc::now(),
            actor: Actor::User(UserId(uuid::Uuid::nil())),
            correlation: uuid::Uuid::nil(),
            causation: None,
            traceparent: None,
        },
        event: name::Reserved { holder: uuid::Uuid::nil() }.into(),
    };
    log.await.unwrap().append(Commit::new().event(event)).await.unwrap();
    let run = async |args: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("events").args(args).env("WEIR_NATS_URL", nats.url());
        // Nothing of it is needed for this.
        command.env("WEIR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none");
        command.output().await.unwrap()
    };
    let workspace = workspace.to_string();
    let given: Value =
        serde_json::from_str(&text(&run(&["grant", "--json", "--workspace", &workspace]).await)).unwrap();
    let configuration = given["configuration"].as_str().unwrap();
    let consumer = given["consumer"].as_str().unwrap();
    for part in ["exports: [", "account_token_position", &format!("\"{consumer}\": {{"), "nkey: U"] {
        assert!(configuration.contains(part), "{configuration}: {part}");
    }
    assert!(!configuration.contains(given["seed"].as_str().unwrap()));
    assert_eq!(text(&run(&["grants"]).await).lines().count(), 1);
    let ended = text(&run(&["revoke", given["id"].as_str().unwrap()]).await);
    assert!(ended.contains(&format!("Take the account \"{consumer}\" out")), "{ended}");
    assert_eq!(text(&run(&["grants"]).await), "");
}
