//! The middleware against a real bucket: restarts, crashes, streams, races.

#![expect(clippy::disallowed_methods, reason = "tests are an edge")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpResponse,
    dev::{Service, ServiceResponse},
    http::StatusCode,
    middleware::from_fn,
    test::{self, TestRequest},
    web::{self, Data},
};
use async_trait::async_trait;
use chrono::Utc;
use futures::StreamExt;
use uuid::Uuid;
use weir_events::{ApiKeyId, UserId, WorkspaceId, member::Role};

use super::*;
use crate::{
    auth::{ApiKey, ApiKeys, Caller, Editor, Memberships, Revocations, SessionId, SigningKey},
    http::{RequestContext, edge},
    testing::Nats,
};

/// Everyone is alone in a workspace of their own, and nobody has API keys. Each look-up that is
/// counted here fails, as if the database were away.
#[derive(Clone, Default)]
struct Nobody(Arc<AtomicU32>);

impl Nobody {
    fn look_up<T>(&self) -> Result<Option<T>, Problem> {
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => Err(Problem::database_unavailable("away")),
            Err(_) => Ok(None),
        }
    }
}

#[async_trait]
impl Memberships for Nobody {
    async fn role(&self, _: UserId, _: WorkspaceId) -> Result<Option<Role>, Problem> {
        self.look_up()
    }
}

#[async_trait]
impl ApiKeys for Nobody {
    async fn find(&self, _: ApiKeyId) -> Result<Option<ApiKey>, Problem> {
        self.look_up()
    }
}

/// What the handlers of the test do and count.
#[derive(Clone, Default)]
struct Runs {
    count: Arc<AtomicU32>,
    failures: Arc<AtomicU32>,
    gate: Option<Arc<tokio::sync::Semaphore>>,
}

impl Runs {
    fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }
}

async fn make(
    caller: Caller<Editor>,
    request: RequestContext,
    runs: Data<Runs>,
    mut body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let n = runs.count.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(gate) = &runs.gate {
        gate.acquire().await.map_err(Problem::internal)?.forget();
    }
    let mut len = 0;
    while let Some(chunk) = body.next().await {
        len += chunk.map_err(|e| crate::http::payload_problem(&e))?.len();
    }
    if runs.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |f| f.checked_sub(1)).is_ok() {
        return Err(Problem::new(Code::LogUnavailable, "away"));
    }
    let id = request.derive_or_new(caller.workspace, "thing");
    Ok(HttpResponse::Created()
        .insert_header(("weir-position", "7"))
        .insert_header(("content-type", "text/plain; charset=utf-8"))
        .body(format!("{id} {n} {len}")))
}

async fn refuse(runs: Data<Runs>) -> Result<HttpResponse, Problem> {
    runs.count.fetch_add(1, Ordering::SeqCst);
    Err(Problem::new(Code::DatasetNotFound, "There is no such dataset."))
}

/// For those who need not say who they are.
async fn open(runs: Data<Runs>) -> HttpResponse {
    HttpResponse::Created().body(runs.count.fetch_add(1, Ordering::SeqCst).to_string())
}

/// An answer that breaks off.
async fn broken(runs: Data<Runs>) -> HttpResponse {
    runs.count.fetch_add(1, Ordering::SeqCst);
    let chunks = [Ok(Bytes::from("half")), Err(actix_web::error::ErrorInternalServerError("torn"))];
    HttpResponse::Ok().streaming(futures::stream::iter(chunks))
}

/// An answer that comes in as many pieces of 9,000 bytes as the body says.
async fn large(runs: Data<Runs>, pieces: web::Json<u32>) -> HttpResponse {
    let n = runs.count.fetch_add(1, Ordering::SeqCst) + 1;
    let chunks = (0..pieces.0)
        .map(move |i| Ok::<_, actix_web::Error>(Bytes::from(format!("{n}:{i:06};").repeat(1000))));
    HttpResponse::Ok().streaming(futures::stream::iter(chunks))
}

struct World {
    nats: Nats,
    key: SigningKey,
    options: Options,
    nobody: Nobody,
}

impl World {
    async fn new() -> Self {
        Self::of(SigningKey::generate(), Options::default()).await
    }

    async fn of(key: SigningKey, options: Options) -> Self {
        Self { nats: Nats::start().await, key, options, nobody: Nobody::default() }
    }

    /// A freshly started application.
    async fn app(
        &self,
        runs: &Runs,
    ) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error> + use<>
    {
        let client = self.nats.client().await;
        let replies = ReplyStore::open_with(client, &self.key, self.options).await.unwrap();
        let (members, keys) = (Arc::new(self.nobody.clone()), Arc::new(self.nobody.clone()));
        let authenticator = Authenticator::new(&self.key, members, keys, Revocations::new());
        test::init_service(
            App::new()
                .wrap(from_fn(guard))
                .wrap(from_fn(edge))
                .app_data(Data::new(replies))
                .app_data(Data::new(authenticator))
                .app_data(Data::new(runs.clone()))
                .route("/things", web::post().to(make))
                .route("/refused", web::post().to(refuse))
                .route("/open", web::post().to(open))
                .route("/broken", web::post().to(broken))
                .route("/large", web::post().to(large)),
        )
        .await
    }

    fn token(&self, user: u128) -> String {
        let tokens = crate::auth::Tokens::new(&self.key);
        let (user, workspace) = (UserId(Uuid::from_u128(user)), WorkspaceId(Uuid::from_u128(user + 1000)));
        tokens.issue(user, workspace, SessionId(Uuid::nil()), Utc::now()).unwrap().0
    }

    fn post(&self, user: u128, path: &str, key: &str, body: &str) -> TestRequest {
        TestRequest::post()
            .uri(path)
            .insert_header(("authorization", format!("Bearer {}", self.token(user))))
            .insert_header(("idempotency-key", key))
            .insert_header(("content-type", "application/json"))
            .set_payload(body.to_owned())
    }
}

struct Answer {
    status: StatusCode,
    replayed: bool,
    position: Option<String>,
    retry_after: bool,
    body: String,
}

async fn send(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>,
    request: TestRequest,
) -> Answer {
    let res = test::call_service(app, request.to_request()).await;
    let text = |name: &str| res.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    Answer {
        status: res.status(),
        replayed: text("idempotency-replayed").as_deref() == Some("true"),
        position: text("weir-position"),
        retry_after: text("retry-after").is_some(),
        body: String::from_utf8(test::read_body(res).await.to_vec()).unwrap(),
    }
}

#[actix_web::test]
async fn the_same_request_gets_the_same_answer_also_after_a_restart() {
    let world = World::new().await;
    let runs = Runs::default();
    let first = send(&world.app(&runs).await, world.post(1, "/things", "k", "{}")).await;
    assert_eq!((first.status, first.replayed), (StatusCode::CREATED, false));

    let mut world = world;
    world.nats.restart().await;
    let app = world.app(&runs).await;
    let again = send(&app, world.post(1, "/things", "k", "{}")).await;
    assert_eq!((again.status, again.replayed, &again.body), (StatusCode::CREATED, true, &first.body));
    assert_eq!(again.position.as_deref(), Some("7"));
    assert_eq!(runs.count(), 1);

    let other = send(&app, world.post(1, "/things", "k", "{ }")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(other.body.contains("idempotency_key_reused"), "{}", other.body);
    let query = send(&app, world.post(1, "/things?name=b", "k", "{}")).await;
    assert_eq!(query.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(runs.count(), 1);
}

#[actix_web::test]
async fn callers_and_keys_do_not_meet() {
    let world = World::new().await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    let ada = send(&app, world.post(1, "/things", "k", "{}")).await;
    let bob = send(&app, world.post(2, "/things", "k", "{}")).await;
    let other = send(&app, world.post(1, "/things", "k2", "{}")).await;
    assert!([&ada, &bob, &other].iter().all(|a| a.status == StatusCode::CREATED && !a.replayed));
    assert_eq!(runs.count(), 3);
    let foreign = world
        .post(2, "/things", "k", "{}")
        .insert_header(("weir-workspace", Uuid::from_u128(1001).to_string()));
    assert_eq!(send(&app, foreign).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        send(&app, world.post(1, "/things", &"x".repeat(256), "{}")).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[actix_web::test]
async fn of_two_at_once_one_runs_and_the_other_is_told_to_wait() {
    let world = World::new().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let runs = Runs { gate: Some(Arc::clone(&gate)), ..Runs::default() };
    let app = world.app(&runs).await;
    let first = send(&app, world.post(1, "/things", "k", "{}"));
    let second = async {
        // Until the first has its claim; then it waits at the gate, so there is no race.
        while runs.count() == 0 {
            tokio::task::yield_now().await;
        }
        let second = send(&app, world.post(1, "/things", "k", "{}")).await;
        gate.add_permits(1);
        second
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!((second.status, second.retry_after), (StatusCode::CONFLICT, true));
    assert_eq!(send(&app, world.post(1, "/things", "k", "{}")).await.body, first.body);
    assert_eq!(runs.count(), 1);
}

#[actix_web::test]
async fn a_failure_frees_the_key_and_the_ids_stay_the_same() {
    let world = World::new().await;
    let runs = Runs { failures: Arc::new(AtomicU32::new(1)), ..Runs::default() };
    let app = world.app(&runs).await;
    let failed = send(&app, world.post(1, "/things", "k", "{}")).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    let first = send(&app, world.post(1, "/things", "k", "{}")).await;
    assert_eq!((first.status, first.replayed), (StatusCode::CREATED, false));
    let id = |answer: &Answer| answer.body.split(' ').next().unwrap().to_owned();
    // Without the bucket's memory the same request still makes the same id.
    let other = World::of(world.key.clone(), Options::default()).await;
    let elsewhere = send(&other.app(&Runs::default()).await, other.post(1, "/things", "k", "{}")).await;
    assert_eq!(id(&elsewhere), id(&first));
}

#[actix_web::test]
async fn a_final_refusal_is_kept_too() {
    let world = World::new().await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    let first = send(&app, world.post(1, "/refused", "k", "{}")).await;
    let again = send(&app, world.post(1, "/refused", "k", "{}")).await;
    assert_eq!(
        (first.status, again.status, again.replayed),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND, true)
    );
    assert_eq!(first.body, again.body);
    assert!(first.body.contains("\"instance\":\"/refused\""), "{}", first.body);
    assert_eq!(runs.count(), 1);
}

#[actix_web::test]
async fn a_large_answer_comes_back_whole_and_a_larger_one_is_made_again() {
    let world = World::new().await;
    let runs = Runs::default();
    let first = send(&world.app(&runs).await, world.post(1, "/large", "k", "100")).await;
    assert_eq!(first.body.len(), 900_000);
    let again = send(&world.app(&runs).await, world.post(1, "/large", "k", "100")).await;
    assert!(again.replayed);
    assert!(first.body == again.body, "the same bytes");
    assert_eq!(runs.count(), 1);

    for n in [2, 3] {
        let larger = send(&world.app(&runs).await, world.post(1, "/large", "k2", "200")).await;
        assert_eq!((larger.status, larger.replayed, larger.body.len()), (StatusCode::OK, false, 1_800_000));
        assert_eq!(runs.count(), n);
    }
}

#[actix_web::test]
async fn an_answer_that_breaks_off_is_a_failure_that_frees_the_key() {
    let world = World::new().await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    for n in [1, 2] {
        let broken = send(&app, world.post(1, "/broken", "k", "{}")).await;
        assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(broken.body.contains("\"code\":\"internal\""), "{}", broken.body);
        assert_eq!(runs.count(), n);
    }
}

#[actix_web::test]
async fn who_cannot_be_looked_up_runs_nothing() {
    let world = World::new().await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    let team = || {
        let request = world.post(1, "/things", "k", "{}");
        request.insert_header(("weir-workspace", Uuid::from_u128(7).to_string()))
    };
    // Away for one look-up: the handler's own would find an answer.
    world.nobody.0.store(1, Ordering::SeqCst);
    let away = send(&app, team()).await;
    assert_eq!((away.status, away.retry_after), (StatusCode::SERVICE_UNAVAILABLE, true));
    assert!(away.body.contains("database_unavailable"), "{}", away.body);
    assert_eq!(send(&app, team()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(runs.count(), 0);
}

#[actix_web::test]
async fn a_full_bucket_keeps_no_answers_and_fails_no_requests() {
    let world =
        World::of(SigningKey::generate(), Options { max_bytes: 64 * 1024, ..Options::default() }).await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    let id = |answer: &Answer| answer.body.split(' ').next().unwrap().to_owned();

    let kept = send(&app, world.post(1, "/things", "first", "{}")).await;
    // Larger than the bucket: it was claimed, but is not kept, and the key is free at once.
    for n in [2, 3] {
        let large = send(&app, world.post(1, "/large", "k", "20")).await;
        assert_eq!((large.status, large.replayed), (StatusCode::OK, false));
        assert_eq!(runs.count(), n);
    }
    // Until not even a claim has room.
    let mut n = 0;
    let unkept = loop {
        n += 1;
        assert!(n < 1000, "the bucket never fills");
        let key = format!("k{n}");
        let first = send(&app, world.post(1, "/things", &key, "{}")).await;
        let again = send(&app, world.post(1, "/things", &key, "{}")).await;
        assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
        assert_eq!(id(&first), id(&again), "the same thing, kept or not");
        if !again.replayed {
            break key;
        }
    };
    assert_eq!(send(&app, world.post(1, "/things", &unkept, "{}")).await.status, StatusCode::CREATED);
    // What was kept before is still known.
    let again = send(&app, world.post(1, "/things", "first", "{}")).await;
    assert_eq!((again.replayed, again.body), (true, kept.body));
}

#[actix_web::test]
async fn strangers_do_not_fill_the_bucket() {
    let world = World::new().await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    let ask = |n: u32, address: &str| {
        TestRequest::post()
            .uri("/open")
            .peer_addr(format!("{address}:1").parse().unwrap())
            .insert_header(("idempotency-key", format!("k{n}")))
    };
    for n in 0..120 {
        assert_eq!(send(&app, ask(n, "192.0.2.1")).await.status, StatusCode::CREATED);
    }
    assert!(send(&app, ask(200, "192.0.2.2")).await.status == StatusCode::CREATED);
    assert!(send(&app, ask(200, "192.0.2.2")).await.replayed, "each address has its own");
    let bucket =
        async_nats::jetstream::new(world.nats.client().await).get_key_value("WEIR_REPLIES").await.unwrap();
    assert_eq!(bucket.keys().await.unwrap().count().await, 101);
}

#[actix_web::test]
async fn a_form_sent_again_with_another_boundary_is_the_same_request() {
    let world = World::new().await;
    let runs = Runs::default();
    let app = world.app(&runs).await;
    let form = |boundary: &str, content: &str| {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let body = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n{content}\r\n--{boundary}--\r\n"
        );
        world.post(1, "/things", "k", &body).insert_header(("content-type", kind))
    };
    let file = "a,b\n1,2\n".repeat(50_000);
    let first = send(&app, form("one", &file)).await;
    let again = send(&app, form("another-one", &file)).await;
    assert_eq!(
        (first.status, again.status, again.replayed),
        (StatusCode::CREATED, StatusCode::CREATED, true)
    );
    let other = send(&app, form("one", "a,b\n3,4\n")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn what_a_dead_process_claimed_is_free_again_in_seconds() {
    let world = World::new().await;
    let (url, signing) = (world.nats.url().to_owned(), world.key.clone());

    // A process that dies in the middle: its runtime ends, and nobody frees or renews the claim.
    let (claimed, was_claimed) = tokio::sync::oneshot::channel();
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = async_nats::connect(url).await.unwrap();
            let replies = ReplyStore::open(client, &signing).await.unwrap();
            let headers = TestRequest::post().insert_header(("idempotency-key", "k")).to_http_request();
            let caller =
                [b"user" as &[u8], Uuid::from_u128(1).as_bytes(), Uuid::from_u128(1001).as_bytes()].concat();
            let key =
                IdempotencyKey::read(headers.headers(), &Method::POST, "/things", &caller).unwrap().unwrap();
            let Ok(Claim::Mine(lease)) = replies.claim(&key).await else { panic!("the key is free") };
            std::mem::forget(lease);
            claimed.send(()).unwrap();
        });
        runtime.shutdown_background();
    });
    was_claimed.await.unwrap();
    process.join().unwrap();

    let runs = Runs::default();
    let app = world.app(&runs).await;
    let blocked = send(&app, world.post(1, "/things", "k", "{}")).await;
    assert_eq!(blocked.status, StatusCode::CONFLICT);
    let since = Instant::now();
    loop {
        let answer = send(&app, world.post(1, "/things", "k", "{}")).await;
        if answer.status == StatusCode::CREATED {
            break;
        }
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(since.elapsed() < Duration::from_secs(20), "the claim does not run out");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(runs.count(), 1);
}

#[actix_web::test]
async fn nothing_readable_is_kept() {
    let world = World::new().await;
    let app = world.app(&Runs::default()).await;
    send(&app, world.post(1, "/things", "the-key", "{\"secret\":1}")).await;
    let bucket =
        async_nats::jetstream::new(world.nats.client().await).get_key_value("WEIR_REPLIES").await.unwrap();
    let mut keys = bucket.keys().await.unwrap();
    let mut seen = 0;
    while let Some(name) = keys.next().await {
        let name = name.unwrap();
        let value = bucket.get(&name).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&value).into_owned();
        assert!(!name.contains("the-key") && !text.contains("weir-position") && !text.contains("secret"));
        seen += 1;
    }
    assert_eq!(seen, 1);
}
