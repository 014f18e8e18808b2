//! Connections that ask, one after the other answer, and look at what they get.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// How hard to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Connections at once.
    pub(super) connections: usize,
    /// For how long.
    pub(super) time: Duration,
}

/// What makes an answer right.
#[derive(Debug, Clone)]
pub(super) enum Check {
    /// This very body.
    Equal(Bytes),
    /// A body that holds the text of the request's number.
    Holds(Arc<[String]>),
}

impl Check {
    fn holds(&self, request: usize, body: &[u8]) -> bool {
        match self {
            Self::Equal(wanted) => wanted == body,
            Self::Holds(texts) => texts
                .get(request)
                .is_some_and(|text| body.windows(text.len()).any(|part| part == text.as_bytes())),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Its headers, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// Bytes of status line and headers.
    pub(super) head: usize,
    pub(super) body: Bytes,
}

impl Answer {
    /// The body, to be shown.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// How long answers took.
#[derive(Debug, Default)]
pub(super) struct Times {
    micros: Vec<u32>,
    /// How many came from memory.
    kept: usize,
}

impl Times {
    /// These as well.
    pub(super) fn add(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.micros.sort_unstable();
        self.kept += other.kept;
    }

    /// One more.
    pub(super) fn push(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.micros.len()
    }

    /// The share that came from memory.
    pub(super) fn kept(&self) -> f64 {
        self.kept as f64 / self.count().max(1) as f64
    }

    /// In milliseconds, the time that this share kept within.
    pub(super) fn at(&self, share: f64) -> f64 {
        let at = (self.micros.len() as f64 * share) as usize;
        self.micros.get(at).or(self.micros.last()).map_or(0.0, |micros| f64::from(*micros) / 1e3)
    }
}

impl Load {
    /// Asks, each time one of the requests at random.
    ///
    /// # Errors
    /// When there is no answer, or not the right one.
    pub(super) async fn run(
        self,
        address: SocketAddr,
        requests: &Arc<Vec<Bytes>>,
        check: &Check,
    ) -> anyhow::Result<Times> {
        let mut open = Vec::new();
        for _ in 0..self.connections {
            open.push(Connection::open(address).await?);
        }
        let until = Instant::now() + self.time;
        let mut tasks = JoinSet::new();
        for (n, mut connection) in open.into_iter().enumerate() {
            let (requests, check) = (requests.clone(), check.clone());
            tasks.spawn(async move {
                // Splitmix64: as good as random, and the same in each run.
                let mut state = n as u64;
                let mut times = Times::default();
                while Instant::now() < until {
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    let which = (z ^ (z >> 31)) as usize % requests.len();
                    let asked = Instant::now();
                    let kept = connection.ask(&requests[which]).await?;
                    times.push(asked.elapsed());
                    times.kept += usize::from(kept);
                    ensure!(
                        check.holds(which, connection.body()),
                        "a wrong answer: {:?}",
                        connection.answer()
                    );
                    connection.done();
                }
                anyhow::Ok(times)
            });
        }
        let mut all = Times::default();
        while let Some(times) = tasks.join_next().await {
            all.add(times??);
        }
        Ok(all)
    }
}

/// Asks once.
///
/// # Errors
/// When there is no answer.
pub(super) async fn ask(address: SocketAddr, request: &Bytes) -> anyhow::Result<Answer> {
    let mut connection = Connection::open(address).await?;
    connection.receive(request).await?;
    connection.answer()
}

/// One that stays open.
struct Connection {
    stream: TcpStream,
    received: BytesMut,
    /// Where the body of the answer begins, and its length.
    head: usize,
    length: usize,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: BytesMut::with_capacity(64 << 10), head: 0, length: 0 })
    }

    /// Whether the answer, which must be one, came from memory.
    async fn ask(&mut self, request: &Bytes) -> anyhow::Result<bool> {
        self.receive(request).await?;
        let head = &self.received[..self.head];
        if !head.starts_with(b"HTTP/1.1 200 ") {
            bail!("not what was asked for: {:?}", self.answer()?);
        }
        Ok(value(head, b"weir-cache").is_some_and(|value| value.starts_with("hit")))
    }

    async fn receive(&mut self, request: &Bytes) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        let mut looked = 0;
        self.head = loop {
            let from = looked;
            if let Some(end) = self.received[from..].windows(4).position(|end| end == b"\r\n\r\n") {
                break from + end + 4;
            }
            looked = self.received.len().saturating_sub(3);
            ensure!(self.stream.read_buf(&mut self.received).await? > 0, "the connection was closed");
        };
        let length = value(&self.received[..self.head], b"content-length");
        self.length = length.and_then(|length| length.parse().ok()).context("an answer of unknown length")?;
        while self.received.len() < self.head + self.length {
            ensure!(self.stream.read_buf(&mut self.received).await? > 0, "the connection was closed");
        }
        Ok(())
    }

    fn body(&self) -> &[u8] {
        &self.received[self.head..self.head + self.length]
    }

    fn answer(&self) -> anyhow::Result<Answer> {
        let head = std::str::from_utf8(&self.received[..self.head])?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let header = |line: &str| {
            line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        };
        Ok(Answer {
            status,
            headers: head.split("\r\n").skip(1).filter_map(header).collect(),
            head: self.head,
            body: Bytes::copy_from_slice(self.body()),
        })
    }

    /// The next answer is another one.
    fn done(&mut self) {
        self.received.clear();
    }
}

/// What a header says.
fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let lines = head.split(|&byte| byte == b'\n');
    let line = lines.into_iter().find(|line| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && line.get(name.len()) == Some(&b':')
    })?;
    std::str::from_utf8(&line[name.len() + 1..]).ok().map(str::trim)
}
