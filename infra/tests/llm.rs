//! Both dialects over real HTTP, and everything that can go wrong with them.

use std::time::Duration;

use weir_infra::{
    llm::{Client, Config, Dialect, Error, Key, Message, Model, Role},
    testing::{FakeModel, Say},
};

const KEY: &str = "sk-very-secret-key-1234";

fn model(base_url: String, dialect: Dialect, timeout: Duration) -> Model {
    let key = Some(Key::new(KEY).unwrap());
    let config = Config { dialect, base_url, key, model: "small".to_owned(), timeout };
    Model::new(&Client::new().unwrap(), config).unwrap()
}

fn openai(fake: &FakeModel) -> Model {
    model(fake.openai(), Dialect::OpenAi, Duration::from_secs(20))
}

fn question() -> Vec<Message> {
    vec![Message::new(Role::System, "rules"), Message::new(Role::User, "how many?")]
}

async fn fails(model: &Model) -> Error {
    let error = model.complete(&question()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    error
}

#[tokio::test]
async fn both_dialects_are_spoken() {
    let fake = FakeModel::start();
    for (dialect, base, path) in [
        (Dialect::OpenAi, fake.openai(), "/v1/chat/completions"),
        (Dialect::Anthropic, fake.url.clone(), "/v1/messages"),
    ] {
        fake.say([Say::Text("forty-two".to_owned())]);
        let reply = model(base, dialect, Duration::from_secs(20)).complete(&question()).await.unwrap();
        assert_eq!((reply.text.as_str(), reply.read, reply.written), ("forty-two", 100, 10));
        let heard = fake.heard().pop().unwrap();
        assert_eq!((heard.path.as_str(), heard.key.as_deref()), (path, Some(KEY)));
        assert_eq!(heard.body["model"], "small");
        assert!(heard.said().contains("rules\nhow many?"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_full_provider_says_when_to_come_back() {
    let fake = FakeModel::start();
    let model = openai(&fake);
    for (status, wait, expected) in
        [(429, Some("7"), Some(7)), (429, None, None), (503, Some("x"), None), (529, Some("1"), Some(1))]
    {
        fake.say([Say::Status(status, wait)]);
        let retry_after = expected.map(Duration::from_secs);
        assert_eq!(fails(&model).await, Error::Limited { retry_after }, "{status}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_alone() {
    let fake = FakeModel::start();
    for status in [400, 401, 404, 500, 204] {
        fake.say([Say::Status(status, None)]);
        let Error::Refused { status: told, reason } = fails(&openai(&fake)).await else { panic!("{status}") };
        assert_eq!(told, status);
        assert!(reason.is_none_or(|r| r == "told_to"));
    }
}

#[tokio::test]
async fn answers_that_are_none_are_malformed() {
    let fake = FakeModel::start();
    let model = openai(&fake);
    for body in ["", "not JSON", "{}", "{\"choices\":[]}", "[[[[", "{\"choices\":[{\"message\":{}}]}"] {
        fake.say([Say::Raw(body)]);
        assert!(matches!(fails(&model).await, Error::Malformed(_)), "{body}");
    }
    fake.say([Say::Endless]);
    assert!(matches!(fails(&model).await, Error::Malformed(_)));
    fake.say([Say::BreakOff]);
    assert!(matches!(fails(&model).await, Error::Unreachable(_)));
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (fake, elsewhere) = (FakeModel::start(), FakeModel::start());
    fake.say([Say::Redirect(format!("{}/chat/completions", elsewhere.openai()))]);
    elsewhere.say([Say::Text("stolen".to_owned())]);
    assert_eq!(fails(&openai(&fake)).await, Error::Refused { status: 307, reason: None });
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn silence_ends_with_the_time_limit_and_the_call_with_its_caller() {
    let fake = FakeModel::start();
    fake.say([Say::Silence, Say::Silence]);
    let impatient = model(fake.openai(), Dialect::OpenAi, Duration::from_millis(200));
    assert_eq!(fails(&impatient).await, Error::Timeout);
    fake.left(1).await;
    let patient = openai(&fake);
    let call = tokio::spawn(async move { patient.complete(&question()).await });
    fake.called(2).await;
    call.abort();
    fake.left(2).await;
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let model = model(format!("http://127.0.0.1:{port}/v1"), Dialect::OpenAi, Duration::from_secs(5));
    assert!(matches!(fails(&model).await, Error::Unreachable(_)));
    assert!(matches!(model.probe().await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn what_speaks_no_tls_is_unreachable_through_https() {
    let fake = FakeModel::start();
    let base = fake.openai().replace("http://", "https://");
    let model = model(base, Dialect::OpenAi, Duration::from_secs(5));
    assert!(matches!(fails(&model).await, Error::Unreachable(_)));
    assert!(fake.heard().is_empty());
}

#[tokio::test]
async fn a_probe_asks_no_model_and_tells_a_refused_key() {
    let fake = FakeModel::start();
    assert_eq!(openai(&fake).probe().await, Ok(()));
    fake.say([Say::Status(404, None), Say::Status(401, None)]);
    assert_eq!(openai(&fake).probe().await, Ok(()));
    assert!(matches!(openai(&fake).probe().await, Err(Error::Refused { status: 401, .. })));
    assert!(fake.heard().is_empty());
}
