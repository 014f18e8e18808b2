//! A database with read models, two people with a workspace of the same content each, and the
//! application over it.

use std::{path::Path, rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    App,
    body::to_bytes,
    dev::Service,
    http::{StatusCode, header::HeaderMap},
    middleware::{Compress, from_fn},
    test::{TestRequest, init_service},
    web,
};
use async_trait::async_trait;
use chrono::{DateTime, TimeZone as _, Utc};
use futures::future::LocalBoxFuture;
use object_store::memory::InMemory;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_events::{
    Actor, AsOf, Commit, EventId, EventLog, MemoryLog, Metadata, NewEvent, Position, Subject, UserId,
    WorkspaceId, workspace,
};
use weir_infra::{
    auth::{Authenticator, Operators, PostgresApiKeys, Revocations, SessionId, SigningKey},
    http::{Code, Problem, edge, not_found},
    metrics,
    testing::{Database, database},
    vault::Vault,
};
use weir_query_api::{Docs, Moment, Options, Past, Positions, ReadMemberships, Sources, State, Tail};

/// One of the two.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) workspace: WorkspaceId,
    /// What the ids of their things begin with.
    pub(crate) digit: char,
    token: String,
    session: Option<SessionId>,
}

impl Person {
    /// The id of one of their things: `d1` a dataset, `a1` a query, `e1` a run, `c1` a chart.
    pub(crate) fn id(&self, thing: &str) -> String {
        format!("{}0000000-0000-0000-0000-0000000000{thing}", self.digit)
    }
}

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) blobs: Arc<InMemory>,
    pub(crate) state: State,
    pub(crate) ada: Person,
    pub(crate) bob: Person,
    authenticator: Authenticator,
    sources: Sources,
    options: Options,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: web::Bytes,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The body, if the status is 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()
    }

    /// The code of the problem that it is, with its status.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        (self.status.as_u16(), self.json()["code"].as_str().unwrap().to_owned())
    }
}

fn clock() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 10, 12, 0, 0).unwrap()
}

/// A log in which something happened to each of them.
async fn told(people: &[&Person]) -> MemoryLog {
    let log = MemoryLog::new();
    for person in people {
        let event = NewEvent {
            subject: Subject::workspace(person.workspace),
            meta: Metadata {
                id: EventId(Uuid::now_v7()),
                time: clock(),
                actor: Actor::User(person.user),
                correlation: Uuid::now_v7(),
                causation: None,
                traceparent: None,
            },
            event: workspace::Renamed { name: "another".to_owned() }.into(),
        };
        log.append(Commit::new().event(event)).await.unwrap();
    }
    log
}

/// A past that is like the present: what the projector folds is its own business.
struct Yesterday;

#[async_trait]
impl Past for Yesterday {
    async fn at(&self, _: WorkspaceId, as_of: AsOf) -> Result<Moment, Problem> {
        let yesterday = clock() - chrono::Days::new(1);
        let (position, time) = match as_of {
            AsOf::Position(position) if position > Position(100) => {
                return Err(Problem::new(Code::AsOfAhead, "not yet"));
            }
            AsOf::Position(position) => (position, yesterday),
            AsOf::Time(time) => (Position(60), time),
        };
        Ok(Moment { position, time: Some(time), schemas: vec!["read".to_owned()] })
    }
}

const SIZE: u128 = 1 << 124;

impl World {
    /// With the fixture in both workspaces, at position 100.
    pub(crate) async fn new() -> Self {
        Self::with(Options { position_wait: Duration::from_millis(300), ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let database = database().await;
        let stop = CancellationToken::new();
        let key = SigningKey::generate();
        let projections = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projector/src");
        let mut ddl = std::fs::read_to_string(projections.join("checkpoint.sql")).unwrap();
        let mut names = Vec::new();
        for entry in std::fs::read_dir(projections.join("projections")).unwrap() {
            let path = entry.unwrap().path();
            if let Ok(schema) = std::fs::read_to_string(path.join("schema.sql")) {
                ddl.push_str(&schema);
                names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
        for name in &names {
            ddl.push_str(&format!("INSERT INTO checkpoint VALUES ('{name}', 1, 100, now());"));
        }
        let [ada, bob] = ['1', '2'].map(|digit| {
            let n = u128::from(digit.to_digit(16).unwrap());
            let user = UserId(Uuid::from_u128(n * SIZE + 0xf1));
            Person {
                user,
                workspace: WorkspaceId(Uuid::from_u128(n * SIZE + 0xf2)),
                digit,
                token: String::new(),
                session: None,
            }
        });
        for person in [&ada, &bob] {
            let rows = include_str!("fixture.sql")
                .replace(":ws", &format!("'{}'::uuid", person.workspace))
                .replace(":user", &format!("'{}'::uuid", person.user))
                .replace(":n", &person.digit.to_string());
            ddl.push_str(&rows);
        }
        let client = database.pool().get().await.unwrap();
        client.batch_execute(&format!("BEGIN; SET LOCAL search_path TO read; {ddl}; COMMIT")).await.unwrap();

        let config = database.url().parse().unwrap();
        let (positions, _) = Positions::start(config, &["read".to_owned()], stop.clone());
        assert!(positions.reached(weir_events::Position(100), Duration::from_secs(10)).await);
        let memberships =
            ReadMemberships::new(database.pool().clone(), positions.clone(), &["read".to_owned()]);
        let authenticator = Authenticator::new(
            &key,
            Arc::new(memberships),
            Arc::new(PostgresApiKeys(database.pool().clone())),
            Revocations::new(),
        );
        let signed = |person: Person| {
            let session = SessionId(Uuid::now_v7());
            let (token, _) =
                authenticator.tokens().issue(person.user, person.workspace, session, Utc::now()).unwrap();
            Person { token, session: Some(session), ..person }
        };
        let (ada, bob) = (signed(ada), signed(bob));
        let blobs = Arc::new(InMemory::new());
        let sources = Sources {
            pool: database.pool().clone(),
            positions,
            blobs: blobs.clone(),
            log: Arc::new(MemoryLog::new()),
            vault: Vault::new(database.pool().clone(), &key),
            tail: Tail::start(Arc::new(told(&[&ada, &bob]).await), stop.clone(), stop.clone()).0,
            past: Arc::new(Yesterday),
            clock,
        };
        let state = State::new(sources.clone(), options.clone(), metrics::registry()).unwrap();
        Self { database, blobs, state, ada, bob, authenticator, sources, options, stop }
    }

    /// The application as the binary puts it together.
    pub(crate) async fn app(&self) -> Application {
        self.serving(self.state.clone()).await
    }

    /// The application of another process over the same database, with a memory and an eye of its own.
    pub(crate) async fn second(&self) -> Application {
        let config = self.database.url().parse().unwrap();
        let (positions, _) = Positions::start(config, &self.options.schemas, self.stop.clone());
        let sources = Sources { positions, ..self.sources.clone() };
        self.serving(State::new(sources, self.options.clone(), metrics::registry()).unwrap()).await
    }

    /// Ends a person's session in this process.
    pub(crate) fn log_out(&self, person: &Person) {
        self.authenticator.revocations().revoke_session(person.session.unwrap(), Utc::now());
    }

    async fn serving(&self, state: State) -> Application {
        let authenticator = web::Data::new(self.authenticator.clone());
        let operators = web::Data::new(Operators::new(self.database.pool().clone(), None));
        let docs = Docs::new(&weir_query_api::openapi()).unwrap();
        let service = init_service(
            App::new()
                .wrap(Compress::default())
                .wrap(from_fn(edge))
                .app_data(authenticator)
                .app_data(operators)
                .configure(|cfg| weir_query_api::routes(cfg, state))
                .configure(|cfg| docs.routes(cfg))
                .route("/api/v1/datasets", web::post().to(async || "another crate's"))
                .default_service(web::to(not_found)),
        )
        .await;
        let service = Rc::new(service);
        Box::new(move |request| {
            let service = service.clone();
            Box::pin(async move {
                let response = service.call(request.to_request()).await.unwrap();
                let (status, headers) = (response.status(), response.headers().clone());
                let bytes = to_bytes(response.into_body()).await.unwrap();
                Reply { status, headers, bytes }
            })
        })
    }

    /// Does what the projector does: changes rows and moves the checkpoint, in one transaction.
    pub(crate) async fn project(&self, position: u64, rows: &str) {
        self.project_with(position, rows, Some(&position.to_string())).await;
    }

    /// The same, telling of it in these words or not at all.
    pub(crate) async fn project_with(&self, position: u64, rows: &str, hint: Option<&str>) {
        let client = self.database.pool().get().await.unwrap();
        let notify =
            hint.map_or(String::new(), |hint| format!("SELECT pg_notify('weir_position', '{hint}');"));
        let sql = format!(
            "BEGIN; SET LOCAL search_path TO read; {rows}; UPDATE checkpoint SET position = {position}; {notify} COMMIT"
        );
        client.batch_execute(&sql).await.unwrap();
    }

    /// Rows that tell of an event in a workspace.
    pub(crate) fn event(person: &Person, position: u64) -> String {
        let Person { workspace, user, .. } = person;
        format!(
            "INSERT INTO activity VALUES ('{workspace}', {position}, '2026-03-10T11:00:00Z', 'user:{user}', '{user}', \
             'weir.workspace.renamed.v1', 'workspace', '{workspace}', 'x', 'renamed the workspace', '{{}}') ON CONFLICT DO NOTHING; \
             UPDATE overview SET position = {position} WHERE workspace_id = '{workspace}'"
        )
    }
}

/// The application: gets a request, gives the answer.
pub(crate) type Application = Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Reply>>;

/// Sends a request.
pub(crate) async fn send(app: &Application, request: TestRequest) -> Reply {
    app(request).await
}

/// A GET by someone.
pub(crate) fn request(person: &Person, path: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(("authorization", format!("Bearer {}", person.token)))
}

/// Gets a path as someone.
pub(crate) async fn get(app: &Application, person: &Person, path: &str) -> Reply {
    app(request(person, path)).await
}
