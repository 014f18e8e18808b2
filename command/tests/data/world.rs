//! A Weir over a real event log, real files and the real engine; accounts are only made up, since
//! tokens are all that the data endpoints see of them.

use std::{path::Path, sync::Arc, time::Duration};

use actix_web::{
    App as Application, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data},
};
use async_trait::async_trait;
use chrono::Utc;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, multipart};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_command::{Adapters, App, Config, Directory, app::questions::Models, http, process::ingest};
use weir_engine::Engine;
use weir_events::{
    Actor, ApiKeyId, Commit, Event, EventId, EventLog, Metadata, NewEvent, Subject, UserId, WorkspaceId,
    member::{Added, Role},
};
use weir_infra::{
    auth::{ApiKey, ApiKeys, Authenticator, Revocations, SessionId, SigningKey},
    blob::{self, Blobs},
    cache::Shared,
    fetch::{self, Fetcher},
    http::{
        Problem, edge,
        idempotency::{ReplyStore, guard},
        not_found,
    },
    llm,
    log::{self, JetStreamLog},
    metrics::{self, prometheus::Registry},
    testing::Nats,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

struct NoKeys;

#[async_trait]
impl ApiKeys for NoKeys {
    async fn find(&self, _: ApiKeyId) -> Result<Option<ApiKey>, Problem> {
        Ok(None)
    }
}

/// What outlives a process.
pub(crate) struct World {
    pub(crate) nats: Nats,
    pub(crate) folder: TempDir,
    /// Hosts on this machine from which files may be imported.
    pub(crate) import_hosts: Vec<String>,
    key: SigningKey,
}

/// A process that serves.
pub(crate) struct Weir {
    pub(crate) url: String,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) app: App,
    pub(crate) blobs: Blobs,
    engine: Engine,
    pub(crate) client: async_nats::Client,
    authenticator: Authenticator,
    handle: ServerHandle,
    pub(crate) registry: Registry,
}

/// Someone with a workspace of their own.
#[derive(Clone)]
pub(crate) struct Someone {
    pub(crate) user: UserId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) token: String,
    url: String,
    client: Client,
}

/// A worker that is killed when dropped.
pub(crate) struct Worker(JoinHandle<()>, CancellationToken);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Worker {
    /// Dies, without a word to anyone.
    pub(crate) async fn kill(mut self) {
        self.0.abort();
        assert!((&mut self.0).await.unwrap_err().is_cancelled());
    }

    /// Is told to stop, and does.
    pub(crate) async fn stop(mut self) {
        self.1.cancel();
        (&mut self.0).await.unwrap();
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self {
            nats: Nats::start().await,
            folder: tempfile::tempdir().unwrap(),
            import_hosts: Vec::new(),
            key: SigningKey::generate(),
        }
    }

    /// The secret of the installation.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) async fn start(&self, config: Config) -> Weir {
        let models = Models::new(llm::Client::new().unwrap(), SECOND);
        self.start_whole(config, models, |_| Shared::off()).await
    }

    /// With language models.
    pub(crate) async fn start_with(&self, config: Config, models: Models) -> Weir {
        self.start_whole(config, models, |_| Shared::off()).await
    }

    /// With a cache that it shares with others.
    pub(crate) async fn start_sharing(
        &self,
        config: Config,
        shared: impl FnOnce(&Registry) -> Shared,
    ) -> Weir {
        let models = Models::new(llm::Client::new().unwrap(), SECOND);
        self.start_whole(config, models, shared).await
    }

    async fn start_whole(
        &self,
        config: Config,
        models: Models,
        shared: impl FnOnce(&Registry) -> Shared,
    ) -> Weir {
        let registry = metrics::registry();
        let client = self.nats.client().await;
        let log = JetStreamLog::connect(client.clone(), log::Options::default()).await.unwrap();
        let log: Arc<dyn EventLog> = Arc::new(log);
        let directory = Directory::start(&*log).await.unwrap();
        let blobs = blob::open(&self.folder.path().join("blobs").display().to_string()).unwrap();
        let engine = weir_engine::Config {
            spill_dir: self.folder.path().join("spill"),
            target_partitions: 2,
            ..weir_engine::Config::default()
        };
        let engine = Engine::new(blobs.clone(), engine).unwrap();
        let adapters = Adapters {
            log: log.clone(),
            blobs: blobs.clone(),
            engine: engine.clone(),
            directory: directory.clone(),
            fetcher: Fetcher::new(fetch::Options {
                hosts: self.import_hosts.clone(),
                ..fetch::Options::default()
            })
            .unwrap(),
            models,
            shared: shared(&registry),
            past: weir_archive::Past::new(None, log.clone()),
        };
        let app = App::new(adapters, config, &registry).unwrap();
        let authenticator =
            Authenticator::new(&self.key, Arc::new(directory.clone()), Arc::new(NoKeys), Revocations::new());
        let replies = ReplyStore::open(client.clone(), &self.key).await.unwrap();
        let data = (Data::new(app.clone()), Data::new(authenticator.clone()), Data::new(replies));
        let directory = Data::new(directory);
        let server = HttpServer::new(move || {
            Application::new()
                .wrap(from_fn(guard))
                .wrap(from_fn(edge))
                .app_data(data.0.clone())
                .app_data(data.1.clone())
                .app_data(data.2.clone())
                .app_data(directory.clone())
                .configure(http::contexts::routes)
                .configure(http::datasets::routes)
                .configure(http::me::routes)
                .configure(http::queries::routes)
                .configure(http::visualizations::routes)
                .default_service(web::to(not_found))
        })
        .workers(2)
        .h1_allow_half_closed(false)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Weir { url, log, app, blobs, engine, client, authenticator, handle, registry }
    }

    /// How many files lie in the blob store, parts of unfinished ones too.
    pub(crate) fn files(&self, below: &str) -> usize {
        count(&self.folder.path().join("blobs").join(below))
    }
}

fn count(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { count(&p) } else { 1 }).sum()
}

/// A client. There is no provider of TLS unless one is chosen, also where none is used.
fn http_client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SECOND * 30, reached).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

impl Drop for Weir {
    fn drop(&mut self) {
        drop(tokio::spawn(self.handle.stop(false)));
    }
}

impl Weir {
    pub(crate) fn someone(&self) -> Someone {
        let (user, workspace) = (UserId(Uuid::now_v7()), WorkspaceId(Uuid::now_v7()));
        let session = SessionId(Uuid::now_v7());
        let (token, _) = self.authenticator.tokens().issue(user, workspace, session, Utc::now()).unwrap();
        Someone { user, workspace, token, url: self.url.clone(), client: http_client() }
    }

    /// An event that nobody decided on.
    pub(crate) fn event(&self, subject: Subject, event: impl Into<Event>) -> NewEvent {
        let meta = Metadata {
            id: EventId(Uuid::now_v7()),
            time: Utc::now(),
            actor: Actor::System("weir"),
            correlation: Uuid::now_v7(),
            causation: None,
            traceparent: None,
        };
        NewEvent { subject, meta, event: event.into() }
    }

    /// Lets someone into another's workspace.
    pub(crate) async fn invite(&self, who: &Someone, workspace: WorkspaceId, role: Role) {
        let event = self.event(Subject::member(workspace, who.user), Added { role });
        let at = self.log.append(Commit::new().event(event)).await.unwrap();
        assert!(self.app.directory().wait_for(at.last, SECOND).await);
    }

    pub(crate) fn worker_with(&self, options: ingest::Options) -> Worker {
        let adapters = ingest::Adapters {
            client: self.client.clone(),
            log: self.log.clone(),
            blobs: self.blobs.clone(),
            engine: self.engine.clone(),
        };
        let worker = ingest::Worker::new(adapters, options, &metrics::registry()).unwrap();
        let shutdown = CancellationToken::new();
        Worker(tokio::spawn(worker.run(shutdown.clone())), shutdown)
    }

    pub(crate) fn worker(&self) -> Worker {
        self.worker_with(ingest::Options::default())
    }

    /// Files that workers have been handed and have not done with.
    pub(crate) async fn in_hand(&self) -> usize {
        let jetstream = async_nats::jetstream::new(self.client.clone());
        let stream = jetstream.get_stream_no_info(log::STREAM).await.unwrap();
        match stream.consumer_info("ingest").await {
            Ok(info) => info.num_ack_pending,
            Err(_) => 0,
        }
    }
}

impl Someone {
    /// The same person, at another process.
    pub(crate) fn at(&self, weir: &Weir) -> Self {
        Self { url: weir.url.clone(), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1/{path}", self.url)).bearer_auth(&self.token)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        Answer::of(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) fn upload(&self, name: &str, content: impl Into<Vec<u8>>) -> RequestBuilder {
        let file = multipart::Part::bytes(content.into()).file_name(format!("{name}.csv"));
        let form = multipart::Form::new().part("file", file);
        self.request(Method::POST, "datasets").multipart(form)
    }

    /// Uploads and waits until it can be queried.
    pub(crate) async fn ready(&self, name: &str, content: impl Into<Vec<u8>>) -> Answer {
        let sent = self.upload(name, content).header("prefer", "wait=30").send().await.unwrap();
        let answer = Answer::of(sent).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer
    }

    pub(crate) async fn sql(&self, sql: &str) -> Answer {
        self.post("queries", serde_json::json!({ "sql": sql })).await
    }
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        assert!(self.header("weir-position").parse::<u64>().is_ok(), "no position: {:?}", self.headers);
        self
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &Value::from(code)), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
    }
}
