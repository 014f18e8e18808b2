//! A Weir with its accounts, on servers of its own, that can break at bad moments and start again.

#![expect(clippy::disallowed_methods, reason = "tests are an edge")]

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data},
};
use async_trait::async_trait;
use chrono::Utc;
use futures::stream::BoxStream;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use weir_command::{
    accounts::{Accounts, Hashing, Options},
    app::Executor,
    directory::Directory,
    http,
};
use weir_events::{
    AppendError, Appended, Commit, EventLog, Filter, FollowError, Position, Recorded, Stored, Subject,
    Unavailable, log::LoadError,
};
use weir_infra::{
    auth::{Authenticator, PostgresApiKeys, Revocations, SigningKey},
    http::{
        edge,
        idempotency::{ReplyStore, guard},
        not_found,
    },
    log::{self, JetStreamLog},
    testing::{Database, Nats, database},
};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// An event log that can fail at the two moments at which a process can die.
struct Fragile {
    log: JetStreamLog,
    next: Arc<AtomicU8>,
    gate: Arc<Gate>,
}

/// Where an append waits that is held up.
pub(crate) struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn new() -> Self {
        Self { arrived: Semaphore::new(0), open: Semaphore::new(0) }
    }

    /// Waits until one waits there.
    pub(crate) async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets it through.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }
}

/// The next append does not get there.
pub(crate) const BEFORE: u8 = 1;
/// The next append gets there and its answer does not come back.
pub(crate) const AFTER: u8 = 2;
/// The next append waits at the gate.
pub(crate) const HELD: u8 = 3;

#[async_trait]
impl EventLog for Fragile {
    async fn append(&self, commit: Commit) -> Result<Appended, AppendError> {
        match self.next.swap(0, Ordering::SeqCst) {
            BEFORE => Err(AppendError::Unavailable("lost on the way".to_owned())),
            AFTER => {
                self.log.append(commit).await?;
                Err(AppendError::Unavailable("lost on the way back".to_owned()))
            }
            HELD => {
                self.gate.pass().await;
                self.log.append(commit).await
            }
            _ => self.log.append(commit).await,
        }
    }
    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError> {
        self.log.load(subject).await
    }
    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        self.log.follow(filter, after)
    }
    async fn read(
        &self,
        filter: &Filter,
        start: weir_events::Start,
        limit: usize,
    ) -> Result<weir_events::Page, Unavailable> {
        self.log.read(filter, start, limit).await
    }

    async fn last(&self, filter: &Filter) -> Result<Position, Unavailable> {
        self.log.last(filter).await
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        self.log.head().await
    }
}

/// What outlives a restart.
pub(crate) struct World {
    pub(crate) nats: Nats,
    pub(crate) database: Database,
    pub(crate) key: SigningKey,
    pub(crate) options: Options,
}

impl World {
    pub(crate) async fn new() -> Self {
        let hashing = Hashing { memory_kib: 64, passes: 1, at_once: 2 };
        Self {
            nats: Nats::start().await,
            database: database().await,
            key: SigningKey::generate(),
            options: Options { hashing, ..Options::default() },
        }
    }

    /// A Weir that has just started.
    pub(crate) async fn start(&self) -> Weir {
        let client = self.nats.client().await;
        let log = JetStreamLog::connect(client.clone(), log::Options::default()).await.unwrap();
        let (failure, gate) = (Arc::new(AtomicU8::new(0)), Arc::new(Gate::new()));
        let log: Arc<dyn EventLog> =
            Arc::new(Fragile { log, next: Arc::clone(&failure), gate: Arc::clone(&gate) });
        let directory = Directory::start(&*log).await.unwrap();
        let pool = self.database.pool().clone();
        let revocations = Revocations::new();
        revocations.refresh(&pool, Utc::now()).await.unwrap();
        let authenticator = Authenticator::new(
            &self.key,
            Arc::new(directory.clone()),
            Arc::new(PostgresApiKeys(pool.clone())),
            revocations.clone(),
        );
        let replies = ReplyStore::open(client, &self.key).await.unwrap();
        let accounts = Accounts::new(
            pool,
            Executor::new(Arc::clone(&log)),
            Arc::new(directory.clone()),
            authenticator.clone(),
            // Nothing is erased here.
            tokio::sync::watch::channel(Default::default()).1.into(),
            &self.key,
            self.options.clone(),
        );
        let (accounts, authenticator, replies) =
            (Data::new(accounts), Data::new(authenticator), Data::new(replies));
        let directory = Data::new(directory);
        let server = HttpServer::new(move || {
            App::new()
                .wrap(from_fn(guard))
                .wrap(from_fn(edge))
                .app_data(accounts.clone())
                .app_data(authenticator.clone())
                .app_data(replies.clone())
                .app_data(directory.clone())
                .configure(http::auth::routes)
                .configure(http::api_keys::routes)
                .configure(http::workspaces::routes)
                .default_service(web::to(not_found))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        // There is no provider of TLS unless one is chosen, also where none is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::new();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Weir { url, handle, failure, gate, log, revocations, http }
    }
}

pub(crate) struct Weir {
    url: String,
    handle: ServerHandle,
    pub(crate) failure: Arc<AtomicU8>,
    pub(crate) gate: Arc<Gate>,
    log: Arc<dyn EventLog>,
    pub(crate) revocations: Revocations,
    http: Client,
}

/// Whose token a request carries, and for which workspace.
#[derive(Clone, Default)]
pub(crate) struct As<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) workspace: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub(crate) fn refused(self, status: StatusCode, code: &str) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }
}

impl Weir {
    pub(crate) async fn stop(self) {
        self.handle.stop(true).await;
    }

    pub(crate) async fn send(&self, who: As<'_>, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request: RequestBuilder = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = who.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in [
            ("weir-workspace", who.workspace),
            ("idempotency-key", who.key),
            ("x-forwarded-for", who.address),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let res = request.send().await.unwrap();
        let (status, headers) = (res.status(), res.headers().clone());
        let body = serde_json::from_slice(&res.bytes().await.unwrap()).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    pub(crate) async fn post(&self, who: As<'_>, path: &str, body: Value) -> Answer {
        self.send(who, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get(&self, who: As<'_>, path: &str) -> Answer {
        self.send(who, Method::GET, path, None).await
    }

    pub(crate) async fn register(&self, email: &str) -> Value {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
        self.post(As::default(), "/api/v1/auth/register", body).await.expect(StatusCode::CREATED)
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post(As::default(), "/api/v1/auth/login", body).await
    }

    pub(crate) async fn refresh(&self, token: &Value) -> Answer {
        self.post(As::default(), "/api/v1/auth/refresh", json!({"refresh_token": token})).await
    }

    /// Every event there is.
    pub(crate) async fn events(&self) -> Vec<Recorded> {
        use futures::StreamExt;
        let head = self.log.head().await.unwrap();
        if head == Position::START {
            return Vec::new();
        }
        let mut events = Vec::new();
        let mut stream = self.log.follow(Filter::All, Position::START);
        while let Some(next) = stream.next().await {
            let stored = next.unwrap();
            events.push(stored.decode().unwrap());
            if stored.position == head {
                break;
            }
        }
        events
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub(crate) fn bearer(value: &Value) -> As<'_> {
    As { token: Some(text(&value["access_token"])), ..As::default() }
}
