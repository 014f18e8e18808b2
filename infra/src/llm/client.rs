//! Connections to providers, and whom they trust.

use std::{net::IpAddr, time::Duration};

use chrono::Utc;
use reqwest::{RequestBuilder, Response, Url, header, redirect};

use crate::tls::{self, SetupError};

use super::{Config, Dialect, Error, Key, REPLY_BYTES, retry, wire};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Connections to providers, shared by all models of a process. Clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    /// Through the proxy, where the environment names one.
    away: reqwest::Client,
    /// For addresses of this machine, which no proxy reaches.
    here: reqwest::Client,
}

impl Client {
    /// Trusts whom this machine trusts.
    ///
    /// # Errors
    /// When the TLS library refuses its configuration, or the environment names a proxy that is none.
    pub fn new() -> Result<Self, SetupError> {
        let tls = tls::client()?;
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT)
                .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            away: builder().build().map_err(|e| SetupError::new(&e))?,
            here: builder().no_proxy().build().map_err(|e| SetupError::new(&e))?,
        })
    }

    fn to(&self, url: &Url) -> &reqwest::Client {
        if is_here(url) { &self.here } else { &self.away }
    }

    pub(super) async fn post(&self, config: &Config, url: &Url, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        let request =
            self.to(url).post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        send(config, url, request).await
    }

    pub(super) async fn get(&self, config: &Config, url: &Url) -> Result<Vec<u8>, Error> {
        send(config, url, self.to(url).get(url.clone())).await
    }
}

/// Whether an address is on this machine.
fn is_here(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The body of an answer with status 200.
async fn send(config: &Config, url: &Url, request: RequestBuilder) -> Result<Vec<u8>, Error> {
    let response = authorized(config, url, request).send().await.map_err(|e| unreachable(&e))?;
    let status = response.status().as_u16();
    match status {
        200 => body(response, REPLY_BYTES).await?.ok_or(Error::Malformed("it is larger than a megabyte")),
        429 | 503 | 529 => {
            let wait = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            Err(Error::Limited { retry_after: wait.and_then(|value| retry::after(value, Utc::now())) })
        }
        // What is wrong is said in a few hundred bytes.
        _ => {
            let said = body(response, 64 << 10).await.ok().flatten().unwrap_or_default();
            Err(Error::Refused { status, reason: wire::reason(&said) })
        }
    }
}

fn authorized(config: &Config, url: &Url, request: RequestBuilder) -> RequestBuilder {
    let request = match config.dialect {
        Dialect::OpenAi => request,
        Dialect::Anthropic => request.header("anthropic-version", "2023-06-01"),
    };
    let Some(key) = &config.key else { return request };
    match config.dialect {
        // The addresses with deployments in them know keys under this name only.
        Dialect::OpenAi if is_azure(url) => request.header("api-key", value("", key)),
        Dialect::OpenAi => request.header(header::AUTHORIZATION, value("Bearer ", key)),
        Dialect::Anthropic => request.header("x-api-key", value("", key)),
    }
}

fn is_azure(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.ends_with(".azure.com"))
}

/// A key as a header that is left out wherever headers are shown. A [`Key`] always has such a form.
fn value(before: &str, key: &Key) -> header::HeaderValue {
    let text = format!("{before}{}", key.reveal());
    let mut value =
        header::HeaderValue::from_str(&text).unwrap_or_else(|_| header::HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// A body of at most `most` bytes; `None` where it is larger.
async fn body(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut whole = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&e))? {
        if whole.len() + chunk.len() > most {
            return Ok(None);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Some(whole))
}

/// Why a provider was not reached, without its address, which may have secrets after its `?`.
fn unreachable(error: &reqwest::Error) -> Error {
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut said = "no connection".to_owned();
    // The innermost one says what it was: refused, unknown name, certificate.
    while let Some(inner) = source {
        said = inner.to_string();
        source = inner.source();
    }
    Error::Unreachable(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_need_no_proxy() {
        let here = |url: &str| is_here(&Url::parse(url).unwrap());
        assert!(here("http://localhost:11434/v1") && here("http://127.0.0.9/") && here("http://[::1]:1/"));
        assert!(!here("http://192.168.1.4:11434/v1") && !here("https://api.openai.com/v1"));
    }

    #[test]
    fn azure_gets_its_key_under_another_name() {
        let azure = |url: &str| is_azure(&Url::parse(url).unwrap());
        assert!(azure("https://x.openai.azure.com/openai/v1") && azure("https://x.services.ai.azure.com/"));
        assert!(!azure("https://azure.com.example.org/") && !azure("https://notazure.com/"));
    }

    #[test]
    fn a_key_in_a_header_is_not_shown() {
        let header = value("Bearer ", &Key::new("sk-abcdef1234").unwrap());
        assert_eq!(header.to_str().unwrap(), "Bearer sk-abcdef1234");
        assert!(!format!("{header:?}").contains("abcdef"));
    }
}
