//! Questions in plain language, with a model that says what it is told to, over real HTTP.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use weir_command::{Config, accounts::model_key::ModelKeys, app::questions::Models};
use weir_events::{Commit, Event, Filter, Position, Subject, UserId, query, workspace};
use weir_infra::{
    llm::{Client, Config as At, Dialect, Key},
    testing::{Database, FakeModel, Say, database},
};

use crate::world::{Answer, SECOND, Someone, Weir, World};

const HOUSE: &str = "sk-house-secret-0001";
const CSV: &str = "carrier,dep_delay,dest\nUA,4.5,secretville\nDL,1.5,secretburg\nUA,5.5,secretville\n";
const GOOD: &str = "SELECT carrier, avg(dep_delay) AS delay FROM flights GROUP BY carrier ORDER BY carrier";
const QUESTION: &str = "What is the average departure delay of each carrier?";

fn models(fake: &FakeModel, dialect: Dialect, time: Duration) -> Models {
    let base_url = match dialect {
        Dialect::OpenAi => fake.openai(),
        Dialect::Anthropic => fake.url.clone(),
    };
    let key = Some(Key::new(HOUSE).unwrap());
    let config = At { dialect, base_url, key, model: "small-1".to_owned(), timeout: time };
    Models::new(Client::new().unwrap(), time).with_house(config).unwrap()
}

fn openai(fake: &FakeModel) -> Models {
    models(fake, Dialect::OpenAi, SECOND * 30)
}

async fn ask(who: &Someone, question: &str) -> Answer {
    who.post("queries", json!({ "question": question })).await
}

/// Every run that was written down, as it is in the stream.
async fn runs(weir: &Weir) -> Vec<query::Event> {
    let head = weir.log.head().await.unwrap();
    let mut events = weir.log.follow(Filter::All, Position::START);
    let mut runs = Vec::new();
    loop {
        let recorded = events.next().await.unwrap().unwrap().decode().unwrap();
        if let Event::Query(e) = recorded.event {
            runs.push(e);
        }
        if recorded.position == head {
            return runs;
        }
    }
}

/// The whole stream as it is kept.
async fn stream(weir: &Weir) -> String {
    let head = weir.log.head().await.unwrap();
    let mut events = weir.log.follow(Filter::All, Position::START);
    let mut text = String::new();
    loop {
        let stored = events.next().await.unwrap().unwrap();
        text.push_str(&format!("{stored:?} {:?}\n", stored.decode()));
        if stored.position == head {
            return text;
        }
    }
}

#[tokio::test]
async fn a_question_becomes_sql_and_rows_in_both_dialects() {
    let world = World::new().await;
    let fake = FakeModel::start();
    for (dialect, name) in [(Dialect::OpenAi, "openai"), (Dialect::Anthropic, "anthropic")] {
        let weir = world.start_with(Config::default(), models(&fake, dialect, SECOND * 30)).await;
        let _worker = weir.worker();
        let ada = weir.someone();
        ada.ready("flights", CSV).await;
        fake.say_sql(GOOD);
        let answer = ask(&ada, QUESTION).await.ok();
        assert_eq!((answer.text("sql"), answer.text("question")), (GOOD, QUESTION), "{name}");
        assert_eq!((answer.text("model"), answer.text("explanation")), ("small-1", "Because."));
        assert_eq!(
            (&answer.body["rounds"], &answer.body["rows"]),
            (&json!(1), &json!([["DL", 1.5], ["UA", 5.0]]))
        );

        let heard = fake.heard().pop().unwrap();
        assert_eq!(heard.key.as_deref(), Some(HOUSE));
        assert!(heard.said().contains("dep_delay") && heard.said().contains(QUESTION), "{}", heard.said());
        assert!(!heard.said().contains("secret"), "a row was told: {}", heard.said());

        let query::Event::Executed(run) = runs(&weir).await.pop().unwrap() else { panic!("it is no answer") };
        assert_eq!(run.run_id.to_string(), answer.text("run_id"));
        assert_eq!((run.question.as_deref(), run.model.as_deref()), (Some(QUESTION), Some("small-1")));
        assert_eq!(run.sql, GOOD);
    }
}

#[tokio::test]
async fn what_was_asked_before_is_not_asked_again() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("flights", CSV).await;
    fake.say_sql(GOOD);
    let first = ask(&ada, QUESTION).await.ok();
    let again = ask(&ada, QUESTION).await.ok();
    assert_eq!((first.header("weir-cache"), again.header("weir-cache")), ("miss", "hit; tier=1"));
    assert_eq!((again.text("sql"), again.text("explanation")), (GOOD, "Because."));
    assert_ne!(first.text("run_id"), again.text("run_id"));
    assert_eq!(fake.heard().len(), 1);
    // Other data are another prompt.
    ada.ready("airlines", "carrier,name\nUA,United\n").await;
    fake.say_sql(GOOD);
    ask(&ada, QUESTION).await.ok();
    assert_eq!(fake.heard().len(), 2);
}

#[tokio::test]
async fn sql_that_does_not_fit_goes_back_with_what_is_wrong() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("flights", CSV).await;
    fake.say_sql("SELECT departure_delay FROM flights");
    fake.say([Say::Text("Let me think about that.".to_owned())]);
    fake.say_sql(GOOD);
    let answer = ask(&ada, QUESTION).await.ok();
    assert_eq!((&answer.body["rounds"], answer.text("sql")), (&json!(3), GOOD));
    let heard = fake.heard();
    assert!(heard[1].said().contains("unknown_column") && heard[1].said().contains("departure_delay"));
    assert!(heard[2].said().contains("no JSON object"), "{}", heard[2].said());
    // Only what was run is a run.
    assert_eq!(runs(&weir).await.len(), 1);
}

#[tokio::test]
async fn what_must_not_be_run_is_not_run() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let _worker = weir.worker();
    let (ada, eve) = (weir.someone(), weir.someone());
    ada.ready("flights", CSV).await;
    eve.ready("salaries", "name,pay\neve,1\n").await;
    for bad in [
        ["DROP TABLE flights", "DELETE FROM flights", "SELECT 1; DROP TABLE flights"],
        ["SELECT * FROM salaries", "SELECT * FROM information_schema.tables", "SELECT * FROM salarie"],
        [
            "SELECT * FROM '../secret.csv'",
            "COPY flights TO 'out.csv'",
            "SELECT * FROM read_csv('../secret.csv')",
        ],
    ] {
        bad.iter().for_each(|sql| fake.say_sql(sql));
        let question = format!("Please: {}", bad[0]);
        let refused = ask(&ada, &question).await;
        refused.refused(422, "question_unanswered");
        assert_eq!(refused.text("sql"), bad[2], "the last SQL is shown");
        // Another tenant's names are in the model's own words only.
        assert!(!refused.text("detail").contains("salaries"), "{}", refused.body);
        let query::Event::Failed(run) = runs(&weir).await.pop().unwrap() else { panic!("it was answered") };
        assert_eq!((run.code.as_str(), run.sql.as_str()), ("question_unanswered", bad[2]));
        assert_eq!(
            (run.question.as_deref(), run.model.as_deref()),
            (Some(question.as_str()), Some("small-1"))
        );
        assert_eq!(refused.header("weir-run-id"), run.run_id.to_string());
    }
    assert_eq!(fake.heard().len(), 9);
    assert!(fake.heard().iter().all(|h| !h.said().contains("\"table\":\"salaries\"")));
    ada.sql("SELECT count(*) FROM flights").await.ok();
}

#[tokio::test]
async fn a_model_may_say_that_the_data_do_not_tell() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let ada = weir.someone();
    fake.say([Say::Text(json!({"sql": null, "explanation": "There are no prices."}).to_string())]);
    let declined = ask(&ada, "What does it cost?").await;
    declined.refused(422, "question_unanswered");
    assert!(declined.text("detail").contains("There are no prices."), "{}", declined.body);
    assert_eq!(fake.heard().len(), 1);
    fake.say([0, 1, 2].map(|_| Say::Text("I would rather not.".to_owned())));
    let silent = ask(&ada, "What does it cost?").await;
    silent.refused(422, "question_unanswered");
    assert!(silent.text("detail").contains("3 times") && silent.body["sql"].is_null(), "{}", silent.body);
}

#[tokio::test]
async fn sql_that_fails_on_its_rows_is_shown_with_its_error() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("flights", CSV).await;
    let sql = "SELECT CAST(carrier AS INT) FROM flights";
    fake.say_sql(sql);
    let failed = ask(&ada, QUESTION).await;
    failed.refused(422, "invalid_value");
    assert_eq!(failed.text("sql"), sql);
    let query::Event::Failed(run) = runs(&weir).await.pop().unwrap() else { panic!("it was answered") };
    assert_eq!((run.question.as_deref(), run.sql.as_str()), (Some(QUESTION), sql));
}

#[tokio::test]
async fn a_model_that_is_away_is_told_apart() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir =
        world.start_with(Config::default(), models(&fake, Dialect::OpenAi, Duration::from_millis(500))).await;
    let ada = weir.someone();
    for (say, status, code, wait) in [
        (Say::Silence, 504, "model_timeout", ""),
        (Say::Status(429, Some("7")), 503, "model_busy", "7"),
        (Say::Status(429, None), 503, "model_busy", "10"),
        (Say::Status(500, None), 502, "model_refused", ""),
        (Say::Status(401, None), 502, "model_refused", ""),
        (Say::Raw("<html>"), 502, "model_malformed", ""),
        (Say::BreakOff, 502, "model_unreachable", "10"),
    ] {
        fake.say([say.clone()]);
        let failed = ask(&ada, QUESTION).await;
        failed.refused(status, code);
        assert_eq!(failed.header("retry-after"), wait, "{say:?}");
        assert!(!failed.body.to_string().contains("secret"), "{}", failed.body);
    }
    assert_eq!(weir.log.head().await.unwrap(), Position::START, "nothing was run");
    drop(fake);
}

#[tokio::test]
async fn a_caller_who_goes_away_cancels_the_call() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let config =
        Config { concurrent_questions: 1, query_wait: Duration::from_millis(200), ..Config::default() };
    let weir = world.start_with(config, openai(&fake)).await;
    let (ada, bob) = (weir.someone(), weir.someone());
    fake.say([Say::Silence]);
    let asked =
        tokio::spawn(ada.request(Method::POST, "queries").json(&json!({"question": QUESTION})).send());
    fake.called(1).await;
    // As many as may are with the model; another workspace has turns of its own.
    let busy = ask(&ada, "Another?").await;
    busy.refused(429, "too_many_questions");
    assert_eq!(busy.header("retry-after"), "2");
    fake.say_sql("SELECT 1");
    ask(&bob, QUESTION).await.ok();
    asked.abort();
    fake.left(1).await;
    fake.say_sql("SELECT 2 AS two");
    let next = ask(&ada, QUESTION).await.ok();
    assert_eq!(next.body["rows"], json!([[2]]));
}

#[tokio::test]
async fn questions_are_checked_before_anyone_is_asked() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let ada = weir.someone();
    for body in [
        json!({"question": QUESTION, "sql": "SELECT 1"}),
        json!({"question": " "}),
        json!({"question": "x".repeat(2_001)}),
        json!({"question": "a\u{0}b"}),
        json!({"question": QUESTION, "limit": 0}),
    ] {
        ada.post("queries", body).await.refused(422, "invalid_value");
    }
    assert!(fake.heard().is_empty());
}

#[tokio::test]
async fn rows_are_told_only_where_the_workspace_shares_them() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("flights", CSV).await;
    let subject = Subject::workspace(ada.workspace);
    let created = workspace::Created { name: "Ada".to_owned(), owner: ada.user, personal: true };
    for (event, told) in [
        (workspace::Event::from(created), false),
        (workspace::RowsShared { shared: true }.into(), true),
        (workspace::RowsShared { shared: false }.into(), false),
    ] {
        let commit = Commit::new().event(weir.event(subject.clone(), event));
        let at = weir.log.append(commit).await.unwrap();
        assert!(weir.app.directory().wait_for(at.last, SECOND * 10).await);
        fake.say_sql(GOOD);
        // Another question each time, so that none is answered from memory.
        ask(&ada, &format!("{QUESTION} {}", at.last)).await.ok();
        let said = fake.heard().pop().unwrap().said();
        assert_eq!(said.contains("secretville"), told, "{said}");
        // What the profile counted is no value of a row; what it found least and greatest is.
        assert!(said.contains(r#"{"name":"carrier","type":"text","distinct":2"#), "{said}");
        assert_eq!(said.contains(r#""range":["1.5","5.5"]"#), told, "{said}");
        assert_eq!(said.contains(r#""values":["secretville","secretburg"]"#), told, "{said}");
    }
}

#[tokio::test]
async fn questions_whose_sql_was_saved_are_examples() {
    let world = World::new().await;
    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let _worker = weir.worker();
    let (ada, eve) = (weir.someone(), weir.someone());
    ada.ready("flights", CSV).await;
    eve.ready("flights", CSV).await;
    fake.say_sql(GOOD);
    let answered = ask(&ada, QUESTION).await.ok();
    let next = async |who: &Someone, question: &str| {
        fake.say_sql("SELECT count(*) AS n FROM flights");
        ask(who, question).await.ok();
        fake.heard().pop().unwrap().said()
    };
    assert!(!next(&ada, "How many?").await.contains("<approved>\n"));
    let path = format!("queries/{}/save", answered.text("query_id"));
    ada.post(&path, json!({"name": "Delays"})).await.ok();
    // The same pattern without a question takes nothing from it.
    ada.sql(&GOOD.replace("flights", "FLIGHTS")).await.ok();
    let told = next(&ada, "How many now?").await;
    assert!(
        told.contains("<approved>\n") && told.contains(QUESTION) && told.contains("avg(dep_delay)"),
        "{told}"
    );
    assert!(!next(&eve, "How many now?").await.contains("<approved>\n"), "it is another workspace's");
}

/// A Weir that keeps people's keys, with a model of its own.
async fn with_keys(world: &World, fake: &FakeModel, database: &Database) -> Weir {
    let keys = ModelKeys::new(database.pool().clone(), world.key());
    world.start_with(Config::default(), openai(fake).with_keys(keys, true)).await
}

/// Keys belong to people who have an account.
async fn account(database: &Database, user: UserId) {
    let client = database.pool().get().await.unwrap();
    let sql =
        "INSERT INTO accounts.users (id, email, email_key, name, password_hash, workspace_id, created_at)
        VALUES ($1, $2, $2, 'x', 'x', $1, now())";
    client.execute(sql, &[&user.0, &user.to_string()]).await.unwrap();
}

#[tokio::test]
async fn an_own_key_is_kept_sealed_and_used_for_its_owner_only() {
    const MINE: &str = "sk-ada-own-key-wxyz";
    let (world, database, fake) = (World::new().await, database().await, FakeModel::start());
    let weir = with_keys(&world, &fake, &database).await;
    let (ada, bob) = (weir.someone(), weir.someone());
    account(&database, ada.user).await;
    account(&database, bob.user).await;
    weir.invite(&bob, ada.workspace, weir_events::member::Role::Editor).await;

    let before = ada.get("me/model").await;
    let house = json!({"configured": true, "own": false, "provider": "installation", "model": "small-1",
        "key_ending": null});
    assert_eq!(before.body, house);
    let put = json!({"provider": "installation", "model": "large-2", "key": MINE});
    let own = ada.send(Method::PUT, "me/model", put.clone()).await;
    let mine = json!({"configured": true, "own": true, "provider": "installation", "model": "large-2",
        "key_ending": "wxyz"});
    assert_eq!((own.status.as_u16(), &own.body), (200, &mine));
    assert_eq!(ada.get("me/model").await.body, mine);
    assert_eq!(bob.get("me/model").await.body, house);

    // Each question with the key of whoever asks it, even in one workspace and for the same words.
    fake.say_sql("SELECT 1 AS a");
    assert_eq!(ask(&ada, "One?").await.ok().text("model"), "large-2");
    assert_eq!(fake.heard().pop().unwrap().key.as_deref(), Some(MINE));
    fake.say_sql("SELECT 1 AS b");
    let of_bob = bob.request(Method::POST, "queries").header("weir-workspace", ada.workspace.to_string());
    let of_bob = Answer::of(of_bob.json(&json!({"question": "One?"})).send().await.unwrap()).await.ok();
    assert_eq!((of_bob.text("model"), of_bob.text("sql")), ("small-1", "SELECT 1 AS b"));
    assert_eq!(fake.heard().pop().unwrap().key.as_deref(), Some(HOUSE));

    // A key that is refused is its owner's to change.
    fake.say([Say::Status(401, None)]);
    let refused = ask(&ada, "Two?").await;
    refused.refused(422, "model_key_refused");
    assert!(!refused.body.to_string().contains("sk-"), "{}", refused.body);

    // Nothing shows the key: neither the database nor the stream.
    let client = database.pool().get().await.unwrap();
    let dump =
        client.query_one("SELECT model_keys::text, sealed_key FROM accounts.model_keys", &[]).await.unwrap();
    let (text, sealed): (String, Vec<u8>) = (dump.get(0), dump.get(1));
    assert!(!text.contains(MINE) && !text.contains("wxyz"));
    assert!(!sealed.windows(4).any(|w| w == b"wxyz"));
    let stream = stream(&weir).await;
    assert!(!stream.contains("sk-") && !stream.contains("wxyz") && stream.contains("large-2"));

    // Under another name it is worth nothing.
    let moved = "INSERT INTO accounts.model_keys SELECT $1, provider, model, sealed_key, updated_at FROM accounts.model_keys";
    client.execute(moved, &[&bob.user.0]).await.unwrap();
    bob.get("me/model").await.refused(409, "model_key_unreadable");
    ask(&bob, "Three?").await.refused(409, "model_key_unreadable");
    bob.send(Method::DELETE, "me/model", json!({})).await;
    assert_eq!(bob.get("me/model").await.body, house);

    let gone = ada.send(Method::DELETE, "me/model", json!({})).await;
    assert_eq!((gone.status.as_u16(), ada.get("me/model").await.body), (204, house));
    assert_eq!(ada.send(Method::DELETE, "me/model", json!({})).await.status.as_u16(), 204);
}

#[tokio::test]
async fn a_key_opens_no_door_to_an_address_of_ones_choice() {
    const MINE: &str = "sk-ada-own-key-wxyz";
    let (world, database, fake) = (World::new().await, database().await, FakeModel::start());
    let weir = with_keys(&world, &fake, &database).await;
    let ada = weir.someone();
    account(&database, ada.user).await;
    for (body, code) in [
        (json!({"provider": "openai", "model": "m", "key": MINE, "url": "http://10.0.0.1/"}), "invalid_body"),
        (json!({"provider": "http://10.0.0.1/", "model": "m", "key": MINE}), "invalid_value"),
        (json!({"provider": MINE, "model": "m", "key": MINE}), "invalid_value"),
        (json!({"provider": "openai", "key": MINE}), "invalid_value"),
        (json!({"provider": "openai", "model": "x".repeat(300), "key": MINE}), "invalid_value"),
        (json!({"provider": "openai", "model": "m", "key": "short"}), "invalid_body"),
        (json!({"provider": "openai", "model": "m", "key": [MINE]}), "invalid_body"),
        (json!({"provider": "openai", "model": "m", "key": format!("{MINE}\r\nx: y")}), "invalid_body"),
        (json!({"provider": "openai", "model": "m"}), "invalid_body"),
    ] {
        let refused = ada.send(Method::PUT, "me/model", body.clone()).await;
        refused.refused(422, code);
        assert!(!refused.body.to_string().contains(MINE), "{}", refused.body);
    }
    let text = ada.request(Method::PUT, "me/model").header("content-type", "application/json");
    let broken = format!("{{\"provider\": \"openai\", \"key\": \"{MINE}\"");
    let refused = Answer::of(text.body(broken).send().await.unwrap()).await;
    assert!(!refused.body.to_string().contains(MINE), "{}", refused.body);
    let keys: i64 = {
        let client = database.pool().get().await.unwrap();
        client.query_one("SELECT count(*) FROM accounts.model_keys", &[]).await.unwrap().get(0)
    };
    assert_eq!(keys, 0);
}

/// Kind, x, y and aggregation of the first suggestion.
fn first(answer: &Answer) -> Value {
    let chart = &answer.body["items"][0]["chart"];
    json!([chart["type"], chart["x"], chart["y"], chart["aggregation"]])
}

#[tokio::test]
async fn charts_are_read_from_words_with_a_model_and_without() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let flights = ada.ready("flights", CSV).await;
    ada.ready("airlines", "code,title\nUA,United\n").await;
    let suggest = async |who: &Someone, body: Value| who.post("visualizations/suggest", body).await;

    let text = "median dep delay by carrier";
    let by_rule = json!(["bar", "carrier", "dep_delay", "median"]);
    for over in [
        json!({"text": text, "dataset_id": flights.text("id")}),
        json!({"text": text, "sql": "SELECT * FROM flights"}),
        json!({"text": text}),
    ] {
        let found = suggest(&ada, over.clone()).await.ok();
        assert_eq!((first(&found), found.text("reader")), (by_rule.clone(), "rules"), "{over}");
        assert!(found.text("sql").contains("flights"));
        assert_eq!(found.body["items"][0]["spec"]["encoding"]["y"]["aggregate"], "median");
    }
    let counted = suggest(&ada, json!({"text": "number of flights by carrier"})).await.ok();
    assert_eq!(first(&counted), json!(["bar", "carrier", null, "count"]));
    let unread =
        suggest(&ada, json!({"text": "something nice", "dataset_id": flights.text("id")})).await.ok();
    assert_eq!(unread.text("reader"), "nobody");
    suggest(&ada, json!({"text": "zebras"})).await.refused(422, "invalid_value");
    suggest(&ada, json!({"text": " "})).await.refused(422, "invalid_value");

    let fake = FakeModel::start();
    let weir = world.start_with(Config::default(), openai(&fake)).await;
    let eve = weir.someone();
    eve.ready("flights", CSV).await;
    let chart =
        json!({"type": "pie", "x": "dest", "y": "dep_delay", "aggregation": "sum", "title": "Waiting"});
    fake.say([Say::Text(chart.to_string())]);
    let over = json!({"text": text, "sql": "SELECT * FROM flights"});
    for _ in 0..2 {
        let found = suggest(&eve, over.clone()).await.ok();
        assert_eq!(
            (first(&found), found.text("reader")),
            (json!(["pie", "dest", "dep_delay", "sum"]), "model")
        );
        assert_eq!(found.body["items"][0]["title"], "Waiting");
    }
    assert_eq!(fake.heard().len(), 1, "the second time it was remembered");
    assert!(!fake.heard()[0].said().contains("secret"));
    // A chart that cannot be drawn, no chart, and no answer: the rules serve.
    for say in [
        Say::Text(json!({"type": "bar", "x": "nowhere"}).to_string()),
        Say::Text("no".to_owned()),
        Say::Status(429, Some("7")),
    ] {
        fake.say([say.clone()]);
        let found =
            suggest(&eve, json!({"text": "median dep delay by carriers", "sql": "SELECT * FROM flights"}));
        let found = found.await.ok();
        assert_eq!((first(&found), found.text("reader")), (by_rule.clone(), "rules"), "{say:?}");
    }
}
