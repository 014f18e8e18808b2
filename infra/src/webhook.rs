//! Messages to other people's servers, signed as Standard Webhooks has it.
//!
//! Where they go is guarded like everything that others name ([`crate::fetch`]): `https`, to public addresses, looked at
//! again each time. Redirects are not followed: who answers must be who was named.

use std::{
    fmt,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{StatusCode, Url, header, redirect};
use sha2::Sha256;

use crate::{
    fetch::{self, Public, check},
    tls,
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// What secrets begin with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET: usize = 32;
/// How much of an answer that says no is read, in bytes.
const SAID: usize = 200;

/// How messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Hosts, as `host` or `host:port`, that may be spoken to although they are private, and without TLS.
    pub hosts: Vec<String>,
    /// How long one message may take, its answer included. 15 s.
    pub time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { hosts: Vec::new(), time: Duration::from_secs(15) }
    }
}

/// What messages are signed with. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<[u8; SECRET]> for Secret {
    fn from(bytes: [u8; SECRET]) -> Self {
        Self(bytes)
    }
}

impl Secret {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8; SECRET] {
        &self.0
    }

    /// As it is shown, once, to whoever verifies.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        sign(&self.0, id, seconds, body)
    }
}

fn sign(secret: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// An address that messages may go to. `Debug` shows only its origin: the rest may be a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.origin()).finish()
    }
}

impl Address {
    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is recognised by when it comes again.
    pub id: String,
    /// When it is sent.
    pub at: DateTime<Utc>,
    /// JSON.
    pub body: Bytes,
}

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, where there was an answer.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Why it counts as not delivered; `None` where it is delivered.
    pub error: Option<String>,
    /// Not before this is it to be sent again, says the server.
    pub retry_after: Option<Duration>,
    /// Whether the server says that there is nobody any more.
    pub gone: bool,
}

/// Sends messages. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Sender {
    client: reqwest::Client,
    options: Options,
}

impl Sender {
    /// Trusts whom this machine trusts.
    ///
    /// # Errors
    /// When the TLS library refuses its configuration.
    pub fn new(options: Options) -> Result<Self, tls::SetupError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client()?)
            .dns_resolver(Public::except(&options.hosts))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(options.time)
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| tls::SetupError::new(&e))?;
        Ok(Self { client, options })
    }

    /// How long one message may take.
    pub fn time(&self) -> Duration {
        self.options.time
    }

    /// An address, if messages may go there as far as can be told without asking anyone.
    ///
    /// # Errors
    /// Why they may not.
    pub fn address(&self, text: &str) -> Result<Address, fetch::Error> {
        let mut url = fetch::parse(text)?;
        url.set_fragment(None);
        check(&url, &self.options.hosts)?;
        Ok(Address(url))
    }

    /// Sends a message, signed with each of the secrets, and waits for the answer.
    pub async fn send(&self, to: &str, secrets: &[Secret], message: Message) -> Answer {
        let began = Instant::now();
        let elapsed = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let failed = |status, error: String| Answer {
            status,
            elapsed_ms: elapsed(),
            error: Some(error),
            retry_after: None,
            gone: false,
        };
        // What may be reached is looked at each time: settings change, and so do names.
        let url = match self.address(to) {
            Ok(Address(url)) => url,
            Err(error) => return failed(None, error.to_string()),
        };
        let seconds = message.at.timestamp();
        let signatures: Vec<_> =
            secrets.iter().map(|secret| secret.sign(&message.id, seconds, &message.body)).collect();
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "))
            .body(message.body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => {
                return failed(None, format!("no answer within {} s", self.options.time.as_secs_f64()));
            }
            Err(error) => {
                // The address may be a token.
                let error = match fetch::failure(&error.without_url()) {
                    fetch::Error::NotPublic => {
                        "the address is not public, or nobody knows its name".to_owned()
                    }
                    other => other.to_string(),
                };
                return failed(None, error);
            }
        };
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let error = match status {
            status if status.is_success() => None,
            status if status.is_redirection() => Some("redirects are not followed".to_owned()),
            _ => Some(said(response).await),
        };
        Answer {
            status: Some(status.as_u16()),
            elapsed_ms: elapsed(),
            error,
            retry_after,
            gone: status == StatusCode::GONE,
        }
    }
}

/// The beginning of what a server says about its refusal.
async fn said(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < SAID {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(SAID - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
    match text.trim() {
        "" => "the server refused it".to_owned(),
        text => format!("the server refused it: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_what_anybody_could_reach_is_an_address() {
        let sender =
            Sender::new(Options { hosts: vec!["127.0.0.1:9".into()], ..Options::default() }).unwrap();
        assert_eq!(
            sender.address("https://example.org/a?token=b#c").unwrap().as_str(),
            "https://example.org/a?token=b"
        );
        assert_eq!(
            sender.address("https://example.org:8443/a").unwrap().origin(),
            "https://example.org:8443"
        );
        let shown = format!("{:?}", sender.address("https://example.org/secret").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
        sender.address("http://127.0.0.1:9/x").unwrap();
        for bad in [
            "http://example.org",
            "https://127.0.0.1/",
            "https://127.0.0.1:9@example.org/",
            "https://[::1]/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "http://127.0.0.1:8/x",
            "https://user:word@example.org/",
            "ftp://example.org",
            "nonsense",
        ] {
            assert!(sender.address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown_by_accident() {
        let secret = Secret::from([1; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.reveal(), "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    }
}
