//! A language model that says what it is told to, over real HTTP and in both dialects.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What it does with the next call.
#[derive(Debug, Clone)]
pub enum Say {
    /// Answers with a text, in the dialect of the call.
    Text(String),
    /// Answers with a status and, where it is given, a `Retry-After`.
    Status(u16, Option<&'static str>),
    /// Answers 200 with this body, whatever it is.
    Raw(&'static str),
    /// Answers 200 with a body that does not end.
    Endless,
    /// Begins an answer and breaks off.
    BreakOff,
    /// Leads elsewhere.
    Redirect(String),
    /// Never answers.
    Silence,
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The path, with what stands after the `?`.
    pub path: String,
    /// The key, whichever header it came in.
    pub key: Option<String>,
    /// The body.
    pub body: Value,
}

impl Heard {
    /// Everything that was said in the conversation, in order.
    pub fn said(&self) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        let mut all = vec![text(&self.body["system"])];
        all.extend(messages.iter().map(|m| text(&m["content"])));
        all.join("\n")
    }
}

#[derive(Default)]
struct Told {
    script: VecDeque<Say>,
    heard: Vec<Heard>,
}

struct State {
    told: Mutex<Told>,
    /// Calls that came in, and those whose caller went away before the answer.
    came: watch::Sender<(usize, usize)>,
}

/// A language model that says what it is told to. Stops when it is dropped.
pub struct FakeModel {
    state: Data<State>,
    /// Without a path.
    pub url: String,
    handle: ServerHandle,
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl FakeModel {
    /// Starts one on a free port of this machine.
    pub fn start() -> Self {
        let state = Data::new(State { told: Mutex::default(), came: watch::channel((0, 0)).0 });
        let shared = state.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(8 << 20))
                .route("/v1/chat/completions", web::post().to(chat))
                .route("/v1/messages", web::post().to(messages))
                .route("/v1/models", web::get().to(models))
        })
        .workers(1)
        .h1_allow_half_closed(false)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a free port");
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { state, url, handle }
    }

    /// Where OpenAI's dialect is spoken.
    pub fn openai(&self) -> String {
        format!("{}/v1", self.url)
    }

    /// What to say to the next calls, after what it was told before.
    pub fn say(&self, next: impl IntoIterator<Item = Say>) {
        self.told().script.extend(next);
    }

    /// Answers the next call with SQL, in the form that questions are answered in.
    pub fn say_sql(&self, sql: &str) {
        self.say([Say::Text(json!({"sql": sql, "explanation": "Because."}).to_string())]);
    }

    /// Every call so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.told().heard.clone()
    }

    /// Waits until so many calls came in.
    pub async fn called(&self, times: usize) {
        self.until(|(came, _)| came >= times).await;
    }

    /// Waits until so many callers went away before they had their answer.
    pub async fn left(&self, times: usize) {
        self.until(|(_, left)| left >= times).await;
    }

    async fn until(&self, so: impl Fn((usize, usize)) -> bool) {
        let mut came = self.state.came.subscribe();
        let reached = came.wait_for(|now| so(*now));
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("in time").expect("it is there");
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.state.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn chat(state: Data<State>, req: HttpRequest, body: Bytes) -> HttpResponse {
    answer(&state, &req, &body, |text| {
        json!({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10}})
    })
    .await
}

async fn messages(state: Data<State>, req: HttpRequest, body: Bytes) -> HttpResponse {
    answer(&state, &req, &body, |text| {
        json!({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 100, "output_tokens": 10}})
    })
    .await
}

async fn models(state: Data<State>) -> HttpResponse {
    let next = state.told.lock().unwrap_or_else(PoisonError::into_inner).script.pop_front();
    match next {
        Some(Say::Status(status, _)) => HttpResponse::build(status_of(status)).finish(),
        _ => HttpResponse::Ok().json(json!({"data": []})),
    }
}

/// Counts a caller who goes away.
struct Leaving<'a>(&'a State, bool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.came.send_modify(|(_, left)| *left += 1);
        }
    }
}

async fn answer(
    state: &State,
    req: &HttpRequest,
    body: &[u8],
    form: impl Fn(String) -> Value,
) -> HttpResponse {
    let header = |name: &str| Some(req.headers().get(name)?.to_str().ok()?.to_owned());
    let bearer = header("authorization").and_then(|v| Some(v.strip_prefix("Bearer ")?.to_owned()));
    let heard = Heard {
        path: req.uri().to_string(),
        key: bearer.or_else(|| header("x-api-key")).or_else(|| header("api-key")),
        body: serde_json::from_slice(body).unwrap_or_default(),
    };
    let next = {
        let mut told = state.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.heard.push(heard);
        told.script.pop_front()
    };
    let mut leaving = Leaving(state, true);
    state.came.send_modify(|(came, _)| *came += 1);
    let response = match next {
        Some(Say::Text(text)) => HttpResponse::Ok().json(form(text)),
        Some(Say::Status(status, wait)) => {
            let mut response = HttpResponse::build(status_of(status));
            if let Some(wait) = wait {
                response.insert_header(("retry-after", wait));
            }
            let sent = json!({"error": {"code": "told_to", "message": "the key is sk-very-secret"}});
            response.json(sent)
        }
        Some(Say::Raw(body)) => HttpResponse::Ok().body(body),
        Some(Say::Endless) => {
            let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 << 10]));
            HttpResponse::Ok().streaming(stream::repeat_with(chunk))
        }
        Some(Say::BreakOff) => {
            let begun = stream::iter([Ok(Bytes::from("{\"choices\":"))]);
            let broken = stream::iter([Err(std::io::Error::other("told to break off"))]);
            HttpResponse::Ok().streaming(begun.chain(broken))
        }
        Some(Say::Redirect(to)) => HttpResponse::TemporaryRedirect().insert_header(("location", to)).finish(),
        Some(Say::Silence) => std::future::pending().await,
        None => HttpResponse::InternalServerError().body("nobody told it what to say"),
    };
    leaving.1 = false;
    response
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
