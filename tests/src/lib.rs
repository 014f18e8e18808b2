//! Runs the real binary with its real servers in a folder of its own, and speaks HTTP to it.
//!
//! The binary is the one beside the tests in the target folder: `cargo build --workspace` makes it,
//! and `make test` does that first.

#![expect(clippy::disallowed_methods, reason = "tests make their own ids and times")]
#![expect(clippy::missing_panics_doc, reason = "a test harness panics on what it did not expect")]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// How long a start may take, initialising both servers included, on a busy machine.
const START: Duration = Duration::from_secs(120);

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The `weir` binary of this build.
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let path = tests.parent().and_then(Path::parent).expect("target/<profile>/deps").join("weir");
    assert!(path.exists(), "{} is not built: run `cargo build --workspace` or `make test`", path.display());
    path
}

/// A running `weir up` with a data folder of its own.
pub struct Weir {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
    log: tokio::task::JoinHandle<()>,
    env: Vec<(String, String)>,
}

impl Weir {
    /// Starts in an empty folder.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts in an empty folder with further environment variables.
    pub async fn start_with(env: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("weir-e2e-").tempdir().expect("a temporary folder");
        let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (child, address, log) = launch(&folder.path().join("data"), &env).await;
        Self { child, folder, address, log, env }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What it wrote about itself: ports, addresses, process ids of its children.
    pub fn runtime(&self) -> Value {
        let path = self.data().join("run/weir.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).expect("weir.json is JSON")
    }

    /// The process alone is killed, with no chance to do anything.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("kill");
        self.log.abort();
    }

    /// Asks it to stop and waits until it has; its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        signal(self.pid(), rustix::process::Signal::TERM);
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        self.log.abort();
        status.expect("it stops within a minute").expect("wait").code()
    }

    /// Starts again on the same data.
    pub async fn restart(&mut self) {
        let (child, address, log) = launch(&self.data(), &self.env).await;
        (self.child, self.address, self.log) = (child, address, log);
    }

    /// A caller without a token.
    pub fn anonymous(&self) -> Caller {
        // There is no provider of TLS unless one is chosen, also where none is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Caller {
            http: Client::builder().timeout(Duration::from_secs(60)).build().expect("a client"),
            url: self.address.clone(),
            token: None,
            email: String::new(),
            workspace: String::new(),
        }
    }

    /// Registers somebody new.
    pub async fn register(&self, who: &str) -> Caller {
        let mut caller = self.anonymous();
        caller.email = format!("{who}-{}@example.org", uuid::Uuid::new_v4().simple());
        let body = json!({"email": caller.email, "password": PASSWORD, "name": who});
        let answer = caller.post("/api/v1/auth/register").json(&body).send().await.expect("an answer");
        let answer = expect(answer, StatusCode::CREATED).await;
        caller.token = answer["access_token"].as_str().map(str::to_owned);
        caller.workspace = answer["workspace"]["id"].as_str().expect("a workspace").to_owned();
        caller
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // An orderly stop takes the servers along; a test that failed gets one too.
        if let Some(pid) = self.child.id() {
            signal(pid, rustix::process::Signal::TERM);
            let until = Instant::now() + Duration::from_secs(30);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.start_kill();
        }
        // After a kill -9 the children are still there.
        if let Ok(text) = std::fs::read_to_string(self.data().join("run/weir.json")) {
            let runtime: Value = serde_json::from_str(&text).unwrap_or_default();
            for key in ["nats_pid", "postgres_pid"] {
                if let Some(pid) = runtime[key].as_u64().and_then(|p| u32::try_from(p).ok()) {
                    signal(pid, rustix::process::Signal::KILL);
                }
            }
        }
    }
}

/// The password of everybody that [`Weir::register`] makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// Sends a signal; a process that is gone already is fine.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

async fn launch(data: &Path, env: &[(String, String)]) -> (Child, String, tokio::task::JoinHandle<()>) {
    let mut child = Command::new(binary())
        .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .env(
            "WEIR_BIN_DIR",
            std::env::var_os("WEIR_BIN_DIR").unwrap_or_else(|| root().join(".weir/bin").into()),
        )
        .envs(env.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("weir starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let errors = BufReader::new(child.stderr.take().expect("piped"));
    let stderr = tokio::spawn(async move {
        let mut lines = errors.lines();
        let mut last = std::collections::VecDeque::new();
        while let Ok(Some(line)) = lines.next_line().await {
            if std::env::var_os("WEIR_TEST_VERBOSE").is_some() {
                eprintln!("weir: {line}");
            }
            last.push_back(line);
            if last.len() > 40 {
                last.pop_front();
            }
        }
        Vec::from(last).join("\n")
    });
    let ready = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(address) = line.strip_prefix("Weir is ready on ") {
                return Some(address.trim().to_owned());
            }
        }
        None
    };
    let Ok(Some(address)) = tokio::time::timeout(START, ready).await else {
        let _ = child.kill().await;
        panic!("weir did not get ready:\n{}", stderr.await.unwrap_or_default());
    };
    // Its output is read to the end, or the pipe would fill up and stop it.
    let log = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address, log)
}

/// Somebody who speaks to a running Weir.
#[derive(Clone)]
pub struct Caller {
    /// The HTTP client, its connections shared with clones.
    pub http: Client,
    /// Where.
    pub url: String,
    /// The bearer token, none for the anonymous.
    pub token: Option<String>,
    /// As registered.
    pub email: String,
    /// The personal workspace.
    pub workspace: String,
}

impl Caller {
    /// A request of any kind.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// The JSON under a path, which must be there.
    pub async fn read(&self, path: &str) -> Value {
        expect(self.get(path).send().await.expect("an answer"), StatusCode::OK).await
    }

    /// Posts JSON and wants a certain status.
    pub async fn make(&self, path: &str, body: &Value, status: StatusCode) -> Value {
        expect(self.post(path).json(body).send().await.expect("an answer"), status).await
    }

    /// Uploads one of the sample files and waits until it is ready.
    pub async fn upload_sample(&self, file: &str) -> Value {
        let bytes = std::fs::read(root().join("samples/nycflights13").join(file)).expect("the sample");
        let name = file.split('.').next().expect("a stem");
        self.upload(name, bytes).await
    }

    /// Uploads a CSV file as the raw body and waits until it is ready.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>) -> Value {
        let request = self.post(&format!("/api/v1/datasets?name={name}"));
        let request = request.header("content-type", "text/csv").header("prefer", "wait=30").body(bytes);
        expect(request.send().await.expect("an answer"), StatusCode::CREATED).await
    }

    /// The dashboard as of a position at least.
    pub async fn dashboard(&self, position: u64) -> Value {
        let request = self.get("/api/v1/dashboard").header("weir-min-position", position);
        expect(request.send().await.expect("an answer"), StatusCode::OK).await
    }
}

/// The body as JSON, if the status is the wanted one.
pub async fn expect(answer: Response, status: StatusCode) -> Value {
    let (was, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await.unwrap_or_default();
    assert_eq!(was, status, "{url}: {text}");
    if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}
