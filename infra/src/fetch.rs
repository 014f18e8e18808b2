//! Files from other people's servers.
//!
//! Whoever can name an address could otherwise look at what only this machine can reach: databases
//! beside it, the cloud's metadata. So only `https` is spoken, names are resolved here and only public
//! addresses are connected to, and both hold again for every redirect. Hosts that the installation
//! names are excepted. No proxy is used: it would resolve names by itself.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use actix_web::http::header::{ContentDisposition, HeaderValue};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use reqwest::{
    Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use tokio::time::Instant;

use crate::tls;

/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// How long connecting may take, and how long a server may be silent.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Longer addresses are none.
const URL_BYTES: usize = 4096;

/// How files are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Hosts, as `host` or `host:port`, that may be reached although they are private, and without TLS.
    pub hosts: Vec<String>,
    /// How long one file may take, from connecting to its last byte. 10 min.
    pub time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { hosts: Vec::new(), time: Duration::from_secs(600) }
    }
}

/// Why a file was not fetched. Nothing of the inside network is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is none that files are fetched from.
    #[error("{0}")]
    Invalid(&'static str),
    /// It leads to where nobody outside may look, or nowhere: which of the two would tell what names there are inside.
    #[error("the address, or one that it leads to, is not public, or nobody knows its name")]
    NotPublic,
    /// There is no such host, or it cannot be reached.
    #[error("the server cannot be reached")]
    Unreachable,
    /// It leads on and on.
    #[error("the address leads on more than {REDIRECTS} times")]
    TooManyRedirects,
    /// The server does not give the file.
    #[error("the server answered with status {0}")]
    Refused(u16),
    /// It takes too long.
    #[error("the file takes longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The connection broke before the end.
    #[error("the file broke off before its end")]
    Broken,
}

/// Fetches files. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    options: Options,
}

/// A file that is being fetched.
#[derive(Debug)]
pub struct Download {
    response: Response,
    deadline: Instant,
    time: Duration,
    /// Where it was found, without what may be secret: query, fragment.
    pub source: String,
    /// The name that the server, or else the address, gives the file.
    pub file_name: Option<String>,
    /// The media type that the server gives.
    pub content_type: Option<String>,
    /// The size that the server promises.
    pub length: Option<u64>,
}

impl Fetcher {
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
            .read_timeout(SILENCE)
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| tls::SetupError::new(&e))?;
        Ok(Self { client, options })
    }

    /// Asks for a file, and for where it has moved to.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(&self, address: &str) -> Result<Download, Error> {
        let deadline = Instant::now() + self.options.time;
        let mut url = parse(address)?;
        for _ in 0..=REDIRECTS {
            self.check(&url)?;
            let request = self.client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity").send();
            let response = match tokio::time::timeout_at(deadline, request).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(failure(&error)),
                Err(_) => return Err(Error::TooSlow(self.options.time)),
            };
            match response.status() {
                StatusCode::OK => return Ok(Download::new(response, &url, deadline, self.options.time)),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
                    let to = to.ok_or(Error::Refused(response.status().as_u16()))?;
                    url =
                        url.join(to).map_err(|_| Error::Invalid("the address leads to one that is none"))?;
                }
                status => return Err(Error::Refused(status.as_u16())),
            }
        }
        Err(Error::TooManyRedirects)
    }

    fn check(&self, url: &Url) -> Result<(), Error> {
        check(url, &self.options.hosts)
    }
}

/// Whether an address may be spoken to: `https`, to a public host; or whatever leads to one of the excepted `hosts`.
///
/// # Errors
/// [`Error::Invalid`] and [`Error::NotPublic`].
pub(crate) fn check(url: &Url, hosts: &[String]) -> Result<(), Error> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Invalid("an address with a password in it is not used"));
    }
    let host = url.host_str().ok_or(Error::Invalid("the address names no host"))?;
    let excepted = hosts.iter().any(|known| {
        let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
        known.eq_ignore_ascii_case(host)
            || with_port.is_some_and(|with_port| known.eq_ignore_ascii_case(&with_port))
    });
    match url.scheme() {
        "https" => {}
        "http" if excepted => {}
        "http" => return Err(Error::Invalid("only https addresses are used")),
        _ => return Err(Error::Invalid("only https addresses are used")),
    }
    // A host that is excepted for one of its ports is not to be reached at the others, which the
    // resolver cannot tell apart.
    let other_port = hosts.iter().any(|known| bare(known).eq_ignore_ascii_case(bare(host)));
    if other_port && !excepted {
        return Err(Error::NotPublic);
    }
    // A host that is an address is never resolved.
    match bare(host).parse::<IpAddr>() {
        Ok(address) if !excepted && !is_public(address) => Err(Error::NotPublic),
        _ => Ok(()),
    }
}

pub(crate) fn parse(address: &str) -> Result<Url, Error> {
    if address.len() > URL_BYTES {
        return Err(Error::Invalid("the address is too long"));
    }
    Url::parse(address.trim())
        .map_err(|_| Error::Invalid("this is no address such as https://example.org/file.csv"))
}

pub(crate) fn failure(error: &reqwest::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if inner.is::<NotPublic>() {
            return Error::NotPublic;
        }
        source = inner.source();
    }
    tracing::debug!(%error, "a server could not be reached");
    Error::Unreachable
}

/// Without the brackets around an IPv6 address, and without a port.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.matches(':').count() {
        1 => host.split(':').next().unwrap_or(host),
        _ => host,
    }
}

impl Download {
    fn new(response: Response, url: &Url, deadline: Instant, time: Duration) -> Self {
        let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        Self {
            source: shown.to_string(),
            file_name: response
                .headers()
                .get(header::CONTENT_DISPOSITION)
                .and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok())
                .and_then(|value| attached(&value))
                .or_else(|| Some(percent_decode_str(last).decode_utf8_lossy().into_owned()))
                .filter(|name| !name.is_empty()),
            content_type: text(header::CONTENT_TYPE),
            length: response.content_length(),
            response,
            deadline,
            time,
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Error::TooSlow`] or [`Error::Broken`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout_at(self.deadline, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a file broke off");
                Err(Error::Broken)
            }
            Err(_) => Err(Error::TooSlow(self.time)),
        }
    }
}

/// The name in a Content-Disposition: the `filename*` that can say every letter, else `filename`.
fn attached(value: &HeaderValue) -> Option<String> {
    let parsed = ContentDisposition::from_raw(value).ok()?;
    let extended = parsed.get_filename_ext().and_then(|name| str::from_utf8(&name.value).ok());
    extended.or_else(|| parsed.get_filename()).map(ToOwned::to_owned)
}

/// Resolves names, and keeps what is not public to itself.
#[derive(Debug)]
pub(crate) struct Public {
    excepted: HashSet<String>,
}

impl Public {
    /// Except for these hosts. Which of their ports are meant is checked before anything is resolved.
    pub(crate) fn except(hosts: &[String]) -> Self {
        Self { excepted: hosts.iter().map(|host| bare(host).to_ascii_lowercase()).collect() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not a public address")]
struct NotPublic;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let excepted = self.excepted.contains(&host);
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            let found = found.map(Iterator::collect::<Vec<SocketAddr>>);
            // One private address among public ones is no accident.
            let public = found.as_ref().is_ok_and(|all| all.iter().all(|address| is_public(address.ip())));
            if !excepted && !public {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found?.into_iter()) as Addrs)
        })
    }
}

/// Whether anyone on the internet could reach an address as well.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        // Shared by carriers, set aside for protocols, for measurements.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(w, x, y, z))
    };
    match (a, b) {
        // An IPv4 address in other clothes.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => inner(g, h),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => inner(g, h),
        (0x2002, _) => inner(b, c),
        // Only this part of the space is given out; in it lie tunnels and examples.
        (0x2001, 0..0x200) | (0x2001, 0xdb8) | (0x3fff, 0..0x1000) => false,
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, HttpServer, web};

    use super::*;

    #[test]
    fn addresses_inside_are_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "fec0::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn names_of_files() {
        let named = |text| attached(&HeaderValue::from_static(text));
        assert_eq!(named("attachment; filename=\"a b; c.csv\"").as_deref(), Some("a b; c.csv"));
        let both = "attachment; filename=\"Fluge.csv\"; filename*=UTF-8''Fl%C3%BCge.csv";
        assert_eq!(named(both).as_deref(), Some("Flüge.csv"));
        assert_eq!(named("inline"), None);
        assert_eq!(named("\"\"\""), None);
    }

    async fn refused(address: &str) -> Error {
        Fetcher::new(Options::default()).unwrap().open(address).await.map(|_| ()).unwrap_err()
    }

    #[tokio::test]
    async fn nobody_reaches_the_inside() {
        for address in [
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:10.0.0.1]/x",
            "https://0/x",
            // Told no differently from a name that is known inside alone.
            "https://nobody.invalid/x",
        ] {
            assert_eq!(refused(address).await, Error::NotPublic, "{address}");
        }
        for address in [
            "http://example.org/x",
            "ftp://example.org/x",
            "file:///etc/passwd",
            "nonsense",
            "https://a:b@example.org/",
            "data:text/csv,a",
        ] {
            assert!(matches!(refused(address).await, Error::Invalid(_)), "{address}");
        }
    }

    /// A server on this machine, and the host that it has in addresses.
    async fn server() -> String {
        let server = HttpServer::new(|| {
            App::new()
                .route("/file", web::get().to(async || HttpResponse::Ok().body("a,b\n1,2\n")))
                .route("/moved", web::get().to(async || to("/file")))
                .route("/round", web::get().to(async || to("/round")))
                .route("/inside", web::get().to(async || to("http://127.0.0.1:1/secret")))
                .route("/disk", web::get().to(async || to("file:///etc/passwd")))
                .route(
                    "/slow",
                    web::get().to(async || {
                        HttpResponse::Ok()
                            .streaming(futures::stream::pending::<Result<Bytes, std::io::Error>>())
                    }),
                )
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        tokio::spawn(server.run());
        address.to_string()
    }

    fn to(address: &'static str) -> HttpResponse {
        HttpResponse::Found().insert_header((header::LOCATION.as_str(), address)).finish()
    }

    #[tokio::test]
    async fn a_host_is_excepted_at_its_port_alone() {
        let hosts = ["localhost:9999", "127.0.0.1:9999", "[::1]:9999"].map(str::to_owned).into();
        let fetcher = Fetcher::new(Options { hosts, time: Duration::from_secs(5) }).unwrap();
        for address in
            ["https://localhost:5432/", "https://localhost/", "https://127.0.0.1:1/", "https://[::1]:1/"]
        {
            let refused = fetcher.open(address).await.map(|_| ()).unwrap_err();
            assert_eq!(refused, Error::NotPublic, "{address}");
        }
    }

    #[tokio::test]
    async fn what_is_configured_is_fetched_and_nothing_beside_it() {
        let host = server().await;
        let options = Options { hosts: vec![host.clone()], time: Duration::from_millis(500) };
        let fetcher = Fetcher::new(options).unwrap();
        let mut file = fetcher.open(&format!("http://{host}/moved?token=secret")).await.unwrap();
        assert_eq!(file.source, format!("http://{host}/file"));
        assert_eq!((file.file_name.as_deref(), file.length), (Some("file"), Some(8)));
        assert_eq!(file.chunk().await.unwrap().unwrap(), "a,b\n1,2\n");
        assert_eq!(file.chunk().await.unwrap(), None);

        let refused =
            async |path: &str| fetcher.open(&format!("http://{host}/{path}")).await.map(|_| ()).unwrap_err();
        assert_eq!(refused("round").await, Error::TooManyRedirects);
        assert!(matches!(refused("inside").await, Error::Invalid(_)), "no other port");
        assert!(matches!(refused("disk").await, Error::Invalid(_)));
        assert_eq!(refused("nothing").await, Error::Refused(404));
        let mut slow = fetcher.open(&format!("http://{host}/slow")).await.unwrap();
        assert_eq!(slow.chunk().await.unwrap_err(), Error::TooSlow(Duration::from_millis(500)));
    }
}
