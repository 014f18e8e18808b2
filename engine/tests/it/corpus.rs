//! The fuzz targets, over their corpus and over pieces of it put together by chance.

use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own as well")]
mod targets;

/// Nothing that fits into these inputs takes longer, by far.
const PATIENCE: Duration = Duration::from_secs(60);

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    // In one order everywhere, so that a seed gives the same inputs everywhere.
    paths.sort();
    assert!(paths.len() > 2, "{folder} is nearly empty");
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A change to a text that its reader may trip over.
#[derive(Debug, Clone)]
enum Change {
    /// A byte becomes another.
    Byte(Index, u8),
    /// The end is lost.
    Cut(Index),
    /// A piece goes away.
    Without(Index, Index),
    /// A piece comes a second time, elsewhere.
    Again(Index, Index, Index),
    /// A piece of another file comes in.
    From(Index, Index, Index, Index),
    /// Something that means something comes in.
    Token(Index, &'static str),
}

const TOKENS: &[&str] = &[
    "\"",
    "''",
    ",",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\u{feff}",
    "NA",
    "NaN",
    "-0",
    "1e999",
    "99999999999999999999",
    "2013-02-30",
    "[",
    "]",
    "{",
    "}",
    ":",
    "- ",
    "  ",
    "|",
    "`",
    "#",
    "---",
    "&a",
    "*a",
    "!!binary ",
    "%",
    "\\u0000",
    "\\ud800",
    "(",
    ")",
    "--",
    "/*",
    "*/",
    ";",
    "$$",
    "::",
    "SELECT ",
    " FROM ",
    " WITH ",
    "sum(",
    "OVER (",
    "🦀",
    "\u{301}",
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<Index>;
    let change = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        at().prop_map(Change::Cut),
        (at(), at()).prop_map(|(from, to)| Change::Without(from, to)),
        (at(), at(), at()).prop_map(|(from, to, at)| Change::Again(from, to, at)),
        (at(), at(), at(), at()).prop_map(|(file, from, to, at)| Change::From(file, from, to, at)),
        (at(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Change::Token(at, token)),
    ];
    prop::collection::vec(change, 0..6)
}

fn span(from: Index, to: Index, length: usize) -> std::ops::Range<usize> {
    let (from, to) = (from.index(length + 1), to.index(length + 1));
    from.min(to)..from.max(to)
}

fn changed(files: &[Vec<u8>], first: Index, changes: Vec<Change>) -> Vec<u8> {
    let mut data = files[first.index(files.len())].clone();
    for change in changes {
        let length = data.len();
        match change {
            Change::Byte(at, byte) if length > 0 => data[at.index(length)] = byte,
            Change::Byte(..) => {}
            Change::Cut(at) => data.truncate(at.index(length + 1)),
            Change::Without(from, to) => drop(data.drain(span(from, to, length))),
            Change::Again(from, to, at) => {
                let piece = data[span(from, to, length)].to_vec();
                let at = at.index(length + 1);
                data.splice(at..at, piece);
            }
            Change::From(file, from, to, at) => {
                let file = &files[file.index(files.len())];
                let at = at.index(length + 1);
                data.splice(at..at, file[span(from, to, file.len())].iter().copied());
            }
            Change::Token(at, token) => {
                let at = at.index(length + 1);
                data.splice(at..at, token.bytes());
            }
        }
    }
    data.truncate(64 << 10);
    data
}

/// Runs a target on a thread of its own, so that one that hangs is told from one that fails.
fn holds(target: fn(&[u8]), data: Vec<u8>) {
    let (done, ended) = mpsc::channel();
    let shown = String::from_utf8_lossy(&data).into_owned();
    let thread = std::thread::spawn(move || {
        target(&data);
        // The test may have given up on it.
        let _ = done.send(());
    });
    if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("no end with {shown:?}");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn search(name: &str, target: fn(&[u8]), cases: u32) {
    let files = corpus(name);
    for file in &files {
        holds(target, file.clone());
    }
    let mut config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::default() };
    // To search for longer without other tools.
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&(any::<Index>(), changes()), |(first, changes)| {
        holds(target, changed(&files, first, changes));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

#[test]
fn any_csv() {
    search("csv", targets::csv, 300);
}

#[test]
fn any_json() {
    search("json", targets::json, 300);
}

#[test]
fn any_context() {
    search("context", targets::context, 300);
}

#[test]
fn any_sql() {
    search("sql", targets::sql, 600);
}
