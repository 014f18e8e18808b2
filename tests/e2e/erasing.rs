//! Erasing what a member asked, and a workspace with all that was written in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;
use weir_tests::{Caller, Weir, binary, expect, root};

const OFTEN: [(&str, &str); 2] = [("WEIR_ARCHIVE_TIME", "100ms"), ("WEIR_ARCHIVE_EVENTS", "10")];
const ERASED: &str = "[erased]";

/// Somebody in a workspace that is not their own.
#[derive(Clone)]
struct In {
    caller: Caller,
    workspace: String,
}

impl In {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.caller.request(method, path).header("weir-workspace", &self.workspace)
    }

    async fn read(&self, path: &str) -> Value {
        expect(self.request(Method::GET, path).send().await.unwrap(), StatusCode::OK).await
    }

    async fn make(&self, path: &str, body: &Value, status: StatusCode) -> Value {
        expect(self.request(Method::POST, path).json(body).send().await.unwrap(), status).await
    }

    async fn upload(&self, name: &str, bytes: &str, status: StatusCode) -> Value {
        let request = self.request(Method::POST, &format!("/api/v1/datasets?name={name}"));
        let request = request.header("content-type", "text/csv").header("prefer", "wait=30");
        expect(request.body(bytes.to_owned()).send().await.unwrap(), status).await
    }

    async fn status(&self, method: Method, path: &str) -> StatusCode {
        self.request(method, path).send().await.unwrap().status()
    }

    /// Everything that the API shows of the workspace, as one text.
    async fn everything(&self) -> String {
        let head = self.read("/api/v1/activity?limit=1").await["items"][0]["position"].clone();
        let mut all = String::new();
        for path in [
            "/api/v1/dashboard",
            "/api/v1/activity?limit=200",
            "/api/v1/insights",
            "/api/v1/datasets",
            "/api/v1/datasets?status=rejected",
            "/api/v1/queries?limit=200",
            "/api/v1/runs?limit=200",
            "/api/v1/visualizations",
            "/api/v1/contexts",
            "/api/v1/events?limit=200",
            &format!("/api/v1/queries?limit=200&as_of={head}"),
            &format!("/api/v1/dashboard?as_of={head}"),
        ] {
            all.push_str(&self.read(path).await.to_string());
        }
        for sql in ["SELECT data FROM weir.events", "SELECT sql, detail FROM weir.runs"] {
            let answer =
                self.make("/api/v1/queries", &json!({"sql": sql, "limit": 1000}), StatusCode::OK).await;
            all.push_str(&answer["rows"].to_string());
        }
        all
    }
}

/// Runs `weir` on the data folder.
async fn weir(weir: &Weir, args: &[&str]) -> Output {
    let bin = std::env::var_os("WEIR_BIN_DIR").unwrap_or_else(|| root().join(".weir/bin").into());
    let mut command = Command::new(binary());
    command.args(args).arg("--data-dir").arg(weir.data()).env("WEIR_BIN_DIR", bin);
    command.output().await.unwrap()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The files of a data folder that any of the texts stand in.
fn with<T: AsRef<str>>(folder: &Path, texts: impl IntoIterator<Item = T>) -> Vec<(String, PathBuf)> {
    let texts: Vec<String> = texts.into_iter().map(|text| text.as_ref().to_owned()).collect();
    let mut all = Vec::new();
    files(folder, &mut all);
    let mut found = Vec::new();
    for path in all {
        // Files of PostgreSQL come and go.
        let Ok(bytes) = fs::read(&path) else { continue };
        let there = texts.iter().filter(|text| memchr::memmem::find(&bytes, text.as_bytes()).is_some());
        found.extend(there.map(|text| (text.clone(), path.clone())));
    }
    found
}

/// A word that stands nowhere else.
fn word(what: &str) -> String {
    format!("{what}{}", Uuid::new_v4().simple())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_nowhere_and_everything_else_still_folds() {
    let mut server = Weir::start_with(&OFTEN).await;
    let (ada, bob) = (server.register("ada").await, server.register("bob").await);
    let team = ada.make("/api/v1/workspaces", &json!({"name": "Team"}), StatusCode::CREATED).await;
    let workspace = team["id"].as_str().unwrap().to_owned();
    let members = format!("/api/v1/workspaces/{workspace}/members");
    let added = json!({"email": bob.email, "role": "editor"});
    ada.make(&members, &added, StatusCode::CREATED).await;
    let (mut ada, mut bob) =
        (In { caller: ada, workspace: workspace.clone() }, In { caller: bob, workspace: workspace.clone() });
    let bobs_id = bob.caller.read("/api/v1/me").await["user"]["id"].as_str().unwrap().to_owned();

    // What Bob asks, and what both make for the team. The name is in clear text everywhere, to tell that one would be found.
    let asked = [word("literal"), word("alias"), word("comment"), word("missing")];
    let made =
        [word("savedsql"), word("about"), word("title"), word("described"), word("meaning"), word("cell")];
    let name = word("table");
    let numbers = ada.upload(&name, "a,b\n1,2\n3,4\n", StatusCode::CREATED).await;
    let [literal, alias, comment, missing] = &asked;
    let sql = format!("SELECT '{literal}' AS {alias}, a FROM {name} /* {comment} */");
    let run = bob.make("/api/v1/queries", &json!({"sql": sql}), StatusCode::OK).await;
    bob.make(
        "/api/v1/queries",
        &json!({"sql": format!("SELECT {missing} FROM {name}")}),
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await;
    let [saved, about, title, described, meaning, cell] = &made;
    let kept = ada
        .make("/api/v1/queries", &json!({"sql": format!("SELECT a AS {saved} FROM {name}")}), StatusCode::OK)
        .await;
    let path = format!("/api/v1/queries/{}/save", kept["query_id"].as_str().unwrap());
    ada.make(&path, &json!({"name": "kept"}), StatusCode::OK).await;
    let chart = json!({
        "name": "chart", "description": about, "query": {"sql": format!("SELECT a, b FROM {name}")},
        "chart": {"type": "bar", "x": "a", "y": "b", "title": title},
    });
    bob.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await;
    let path = format!("/api/v1/datasets/{}", numbers["id"].as_str().unwrap());
    let change = ada.request(Method::PATCH, &path).json(&json!({"description": described}));
    expect(change.send().await.unwrap(), StatusCode::OK).await;
    let context = format!(
        "---\nname: meanings\nversion: 1.0.0\ndescription: What it means is {meaning}\n\
         datasets:\n  - id: n\n    name: Numbers\n    dataset_id: {name}\n---\n"
    );
    let context =
        ada.request(Method::POST, "/api/v1/contexts").header("content-type", "text/markdown").body(context);
    expect(context.send().await.unwrap(), StatusCode::CREATED).await;
    ada.upload("bad", &format!("a,b\n1,2\n{cell},3,4\n"), StatusCode::UNPROCESSABLE_ENTITY).await;

    // Everybody in the workspace reads all of it, and finds it by its words.
    let shown = ada.everything().await;
    for text in asked.iter().chain(&made) {
        assert!(shown.contains(text), "{text} is not shown");
    }
    assert!(!shown.contains("weir:sealed") && !shown.contains(ERASED), "{shown}");
    for (path, words) in
        [("queries", literal), ("visualizations", about), ("datasets", described), ("contexts", meaning)]
    {
        let found = ada.read(&format!("/api/v1/{path}?q={}", words.to_uppercase())).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{path}: {found}");
        let none = ada.read(&format!("/api/v1/{path}?q=weir:sealed")).await;
        assert_eq!(none["items"], json!([]), "{path}");
    }
    let exported = weir(&server, &["events", "export", "--workspace", &workspace]).await;
    assert!(String::from_utf8(exported.stdout).unwrap().contains(literal));

    // At rest it is sealed already: in the stream, in the tables, in the archive, in what is logged.
    let data = server.data();
    let mut found = with(&data, asked.iter().chain(&made));
    // Uploads, and answers that were kept, are data.
    let kinds = ["/uploads/", "/tables/", "/results/"];
    found.retain(|(_, path)| !kinds.iter().any(|kind| path.to_string_lossy().contains(kind)));
    assert_eq!(found, []);
    let clear = with(&data, [&name]);
    for place in ["nats", "postgres"] {
        assert!(clear.iter().any(|(_, path)| path.to_string_lossy().contains(place)), "{place}: {clear:?}");
    }
    assert!(!with(&data.join("blobs"), [literal]).is_empty(), "the answer is kept");

    // Nobody but an owner, or Bob, erases what Bob asked.
    let eve = server.register("eve").await;
    let erase = format!("{members}/{bobs_id}?erase=true");
    let refused = eve.request(Method::DELETE, &erase).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        ada.status(Method::DELETE, &format!("{members}/{bobs_id}?erase=maybe")).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let before = ada.read("/api/v1/dashboard").await;
    let erased = ada.request(Method::DELETE, &erase).send().await.unwrap();
    assert_eq!(erased.status(), StatusCode::NO_CONTENT);
    let position = erased.headers()["weir-position"].to_str().unwrap().to_owned();
    assert_eq!(bob.status(Method::GET, "/api/v1/dashboard").await, StatusCode::NOT_FOUND);
    ada.read(&format!("/api/v1/activity?min_position={position}")).await;

    async fn only_what_was_made(ada: &In, asked: &[String], made: &[String]) {
        let shown = ada.everything().await;
        for text in asked {
            assert!(!shown.contains(text), "{text} is still shown");
        }
        for text in made {
            assert!(shown.contains(text), "{text} is not shown any more");
        }
        assert!(shown.contains(ERASED) && !shown.contains("weir:sealed"), "{shown}");
    }
    only_what_was_made(&ada, &asked, &made).await;
    assert_eq!(with(&data, &asked), []);
    // The numbers are what they were.
    let after = ada.read("/api/v1/dashboard").await;
    for key in ["datasets", "total_rows", "total_bytes", "visualizations", "contexts"] {
        assert_eq!(before["overview"][key], after["overview"][key], "{key}");
    }
    let first = ada.read(&format!("/api/v1/runs/{}", run["run_id"].as_str().unwrap())).await;
    assert_eq!((&first["sql"], &first["rows"]), (&json!(ERASED), &json!(2)), "{first}");
    let gone =
        ada.status(Method::GET, &format!("/api/v1/runs/{}/result", run["run_id"].as_str().unwrap())).await;
    assert!(gone.is_client_error(), "{gone}");
    let verified = weir(&server, &["verify"]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // The same after a crash, which begins with what the log has.
    server.kill().await;
    server.restart().await;
    (ada.caller.url, bob.caller.url) = (server.url().to_owned(), server.url().to_owned());
    only_what_was_made(&ada, &asked, &made).await;
    // It can be said again; back in the team Bob asks as anybody does.
    assert_eq!(ada.status(Method::DELETE, &erase).await, StatusCode::NO_CONTENT);
    expect(ada.caller.post(&members).json(&added).send().await.unwrap(), StatusCode::CREATED).await;
    let again = word("again");
    bob.make("/api/v1/queries", &json!({"sql": format!("SELECT '{again}' AS x")}), StatusCode::OK).await;
    assert!(ada.everything().await.contains(&again));

    // The workspace goes, with all that was made.
    let path = format!("/api/v1/workspaces/{workspace}");
    assert_eq!(bob.status(Method::DELETE, &format!("{path}?name=Team")).await, StatusCode::FORBIDDEN);
    assert_eq!(ada.status(Method::DELETE, &path).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        ada.status(Method::DELETE, &format!("{path}?name=team")).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let own = format!("/api/v1/workspaces/{}?name=ada", ada.caller.workspace);
    assert_eq!(ada.caller.request(Method::DELETE, &own).send().await.unwrap().status(), StatusCode::CONFLICT);
    let deleted = ada.request(Method::DELETE, &format!("{path}?name=Team")).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let position = deleted.headers()["weir-position"].to_str().unwrap().to_owned();
    for someone in [&ada, &bob] {
        assert_eq!(someone.status(Method::GET, "/api/v1/dashboard").await, StatusCode::NOT_FOUND);
        assert_eq!(someone.status(Method::GET, &path).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(ada.status(Method::DELETE, &format!("{path}?name=Team")).await, StatusCode::NOT_FOUND);
    ada.caller.read(&format!("/api/v1/dashboard?min_position={position}")).await;
    let texts: Vec<&str> = asked.iter().chain(&made).chain([&again]).map(String::as_str).collect();
    assert_eq!(with(&data, &texts), []);
    let exported = weir(&server, &["events", "export", "--workspace", &workspace]).await;
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert!(exported.contains(ERASED) && texts.iter().all(|text| !exported.contains(text)));
    let verified = weir(&server, &["verify"]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    server.kill().await;
    server.restart().await;
    ada.caller.url = server.url().to_owned();
    assert_eq!(ada.status(Method::GET, &path).await, StatusCode::NOT_FOUND);
    ada.caller.read("/api/v1/dashboard").await;
}

/// Whoever owns a workspace, and somebody who is added to it.
async fn team(server: &Weir, owner: &str, other: &str) -> (In, In, String) {
    let (owner, other) = (server.register(owner).await, server.register(other).await);
    let team = owner.make("/api/v1/workspaces", &json!({"name": "Team"}), StatusCode::CREATED).await;
    let workspace = team["id"].as_str().unwrap().to_owned();
    let members = format!("/api/v1/workspaces/{workspace}/members");
    owner.make(&members, &json!({"email": other.email, "role": "editor"}), StatusCode::CREATED).await;
    let within = |caller| In { caller, workspace: workspace.clone() };
    (within(owner), within(other), members)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_while_it_is_erased_is_erased_too() {
    let mut server = Weir::start_with(&OFTEN).await;
    let (mut ada, bob, members) = team(&server, "ada", "bob").await;
    let bobs_id = bob.caller.read("/api/v1/me").await["user"]["id"].as_str().unwrap().to_owned();
    let name = word("table");
    let lines: String = (0..2_000).map(|n| format!("{n}\n")).collect();
    ada.upload(&name, &format!("n\n{lines}"), StatusCode::CREATED).await;
    let late = word("late");
    let sql = format!(
        "SELECT '{late}' AS x, sum(a.n * b.n % 7 + c.n) AS s FROM {name} a, {name} b, {name} c WHERE c.n < 60"
    );
    let asking = tokio::spawn({
        let bob = bob.clone();
        async move {
            bob.request(Method::POST, "/api/v1/queries")
                .json(&json!({"sql": sql}))
                .send()
                .await
                .unwrap()
                .status()
        }
    });
    // It runs, which nothing but the metrics tells.
    let running = async {
        loop {
            let metrics = ada.caller.get("/metrics").send().await.unwrap().text().await.unwrap();
            let computed = metrics.lines().find(|line| line.starts_with("weir_results_computed_total"));
            if computed.is_some_and(|line| !line.ends_with(" 0")) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), running).await.expect("it begins");
    let erase = format!("{members}/{bobs_id}?erase=true");
    assert_eq!(ada.status(Method::DELETE, &erase).await, StatusCode::NO_CONTENT);
    let finished = asking.is_finished();
    let status = asking.await.unwrap();
    if finished {
        println!("skipped: the query was faster than its erasure");
        return;
    }
    assert!(status.is_success() || status.is_client_error(), "{status}");
    let head = ada.read("/api/v1/runs").await;
    assert!(!ada.everything().await.contains(&late), "{head}");
    let data = server.data();
    let mut found = with(&data, [&late]);
    found.retain(|(_, path)| !path.to_string_lossy().contains("/results/"));
    assert_eq!(found, []);
    // What was kept of the answer goes when it is looked for again, as after an hour.
    let database = server.runtime()["database_url"].as_str().unwrap().to_owned();
    let (client, connection) = tokio_postgres::connect(&database, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let older = "UPDATE accounts.erasures SET done_at = done_at - interval '2 hours'";
    assert_eq!(client.execute(older, &[]).await.unwrap(), 1);
    drop(client);
    server.kill().await;
    server.restart().await;
    ada.caller.url = server.url().to_owned();
    let gone = async {
        while !with(&data, [&late]).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.expect("it is looked for again");
    assert!(!ada.everything().await.contains(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_into_a_workspace_that_is_deleted_at_the_same_moment() {
    let server = Weir::start().await;
    let eve = server.register("eve").await;
    let ada = server.register("ada").await;
    for round in 0..8 {
        let team = ada.make("/api/v1/workspaces", &json!({"name": "Team"}), StatusCode::CREATED).await;
        let workspace = team["id"].as_str().unwrap().to_owned();
        let within = |caller: &Caller| In { caller: caller.clone(), workspace: workspace.clone() };
        let (ada, eve) = (within(&ada), within(&eve));
        let path = format!("/api/v1/workspaces/{workspace}");
        let members = format!("{path}/members");
        let added = json!({"email": eve.caller.email, "role": "owner"});
        let (deleted, added) = tokio::join!(
            ada.request(Method::DELETE, &format!("{path}?name=Team")).send(),
            ada.request(Method::POST, &members).json(&added).send(),
        );
        let (deleted, added) = (deleted.unwrap().status(), added.unwrap().status());
        assert!(deleted.is_success(), "round {round}: {deleted}");
        assert!(matches!(added, StatusCode::CREATED | StatusCode::NOT_FOUND), "round {round}: {added}");
        for someone in [&ada, &eve] {
            assert_eq!(someone.status(Method::GET, "/api/v1/dashboard").await, StatusCode::NOT_FOUND);
            assert_eq!(someone.status(Method::GET, &members).await, StatusCode::NOT_FOUND);
            let me = someone.caller.read("/api/v1/me").await;
            assert!(!me.to_string().contains(&workspace), "{me}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_like_sealed_text_are_names() {
    let server = Weir::start_with(&OFTEN).await;
    let (ada, _, _) = team(&server, "ada", "bob").await;
    let forged = format!("weir:sealed:j:{}", "A".repeat(96));
    let csv = format!("{forged},\"a \"\"{forged}\"\"\"\n1,2\n");
    let made = ada.upload("forged", &csv, StatusCode::CREATED).await;
    let change = ada.request(Method::PATCH, &format!("/api/v1/datasets/{}", made["id"].as_str().unwrap()));
    let change = change.json(&json!({"description": format!("say \"{forged}\"")}));
    expect(change.send().await.unwrap(), StatusCode::OK).await;
    let shown = ada.everything().await;
    assert!(shown.contains(&forged), "{shown}");
    let columns = &ada.read("/api/v1/datasets").await["items"][0]["columns"];
    assert!(columns.as_array().unwrap().iter().all(|column| column["name"].is_string()), "{columns}");
}
