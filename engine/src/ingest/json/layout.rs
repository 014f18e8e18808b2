//! Where in a JSON text the rows are.

use std::io::Read;

use super::parse::Parser;
use super::{DEPTH, Fault, Rejection, Stop, Text, excerpt};
use crate::ingest::ReadOptions;

/// How much is asked for at a time.
const CHUNK: usize = 256 << 10;
/// Arrays that are remembered, to name them where it is not clear which is meant.
const REMEMBERED: usize = 100;
/// The longest key on the way to the rows, in bytes.
const KEY: usize = 1 << 10;

/// Where the rows are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// The text is an array of them.
    Array,
    /// The text is one row, or several one after the other.
    Values { several: bool },
    /// They are in an array inside of the text's one object, which begins behind so many bytes of text.
    Within { path: String, offset: u64 },
}

/// An array inside of the object, reached over keys alone.
#[derive(Debug)]
struct Inner {
    path: String,
    offset: u64,
    objects: bool,
}

/// Finds the rows. An array is known by its first byte; of an object, all is read when it is the only one.
pub(super) fn find(options: &ReadOptions, mut text: Text<impl Read>) -> Result<Layout, Stop> {
    let named = options.records.as_deref().filter(|path| *path != ".");
    let mut outline = Outline::new(named);
    let mut buffer = Vec::new();
    let mut started = false;
    loop {
        buffer.clear();
        text.fill(&mut buffer, CHUNK)?;
        let mut rest = buffer.as_slice();
        if !started {
            let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
            match rest.get(blanks) {
                Some(b'[') if named.is_some() => {
                    let detail = "The rows are not inside of an object: the file is an array. Leave the option \
                                  'records' out.";
                    return Err(Rejection::new("unknown_records", detail).into());
                }
                Some(b'[') => return Ok(Layout::Array),
                Some(b'{') => started = true,
                Some(_) => return Ok(Layout::Values { several: true }),
                None => {}
            }
            outline.pass(&rest[..blanks]);
            rest = &rest[blanks..];
        }
        match outline.read(rest)? {
            Progress::More => {}
            Progress::Several if named.is_some() => {
                let detail = "The option 'records' is for a file of one object, and the file has several.";
                return Err(Rejection::new("unknown_records", detail).into());
            }
            Progress::Several => return Ok(Layout::Values { several: true }),
        }
        if text.ended() {
            break;
        }
    }
    if !started {
        return Err(Rejection::new("empty_file", "The file holds nothing but blanks.").into());
    }
    if !outline.closed {
        let detail = "The text ends within an object that begins on the first line; it was probably not \
                      uploaded whole.";
        return Err(Fault::invalid(0, detail).rejection(&[], outline.line).into());
    }
    outline.choose(options.records.as_deref())
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x1e)
}

enum Progress {
    More,
    /// Something follows the first object.
    Several,
}

/// What is seen of an object while it goes by: the keys down to each array, and nothing inside of arrays.
struct Outline<'a> {
    named: Option<&'a str>,
    /// The keys of the objects that are open.
    path: Vec<String>,
    /// The last key that was read.
    key: Vec<u8>,
    /// Objects that are open outside of any array.
    objects: usize,
    /// Brackets that are open from the outermost array on.
    within: usize,
    /// Whether the outermost array's first element has not been seen.
    fresh: bool,
    in_text: bool,
    escaped: bool,
    is_key: bool,
    wants_key: bool,
    offset: u64,
    line: u64,
    found: Vec<Inner>,
    /// Arrays of objects that are not remembered.
    more: usize,
    closed: bool,
}

impl<'a> Outline<'a> {
    fn new(named: Option<&'a str>) -> Self {
        Self {
            named,
            path: Vec::new(),
            key: Vec::new(),
            objects: 0,
            within: 0,
            fresh: false,
            in_text: false,
            escaped: false,
            is_key: false,
            wants_key: false,
            offset: 0,
            line: 1,
            found: Vec::new(),
            more: 0,
            closed: false,
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
    }

    /// Takes in the next bytes.
    fn read(&mut self, data: &[u8]) -> Result<Progress, Stop> {
        let mut at = 0;
        while at < data.len() {
            if self.in_text {
                at += self.read_text(&data[at..]);
                continue;
            }
            let b = data[at];
            at += 1;
            if is_blank(b) {
                continue;
            }
            if self.closed {
                return Ok(Progress::Several);
            }
            if std::mem::take(&mut self.fresh) {
                self.first_element(b == b'{');
            }
            match b {
                b'"' => {
                    self.in_text = true;
                    self.is_key = self.within == 0 && self.wants_key;
                    if self.is_key {
                        self.key.clear();
                    }
                }
                b'{' | b'[' if self.within > 0 => self.within += 1,
                b'}' | b']' if self.within > 0 => {
                    self.within -= 1;
                    if self.within == 0 {
                        self.key.clear();
                    }
                }
                b'{' => {
                    if self.objects > 0 {
                        let key = self.take_key();
                        self.path.push(key);
                    }
                    self.objects += 1;
                    if self.objects > DEPTH {
                        let detail = format!("Values are nested deeper than {DEPTH} levels.");
                        return Err(Rejection::new("too_deep", detail).at(self.line).into());
                    }
                    self.wants_key = true;
                }
                b'[' => {
                    self.within = 1;
                    self.fresh = true;
                    self.begin_array(self.offset + at as u64);
                }
                b'}' => {
                    self.path.pop();
                    self.objects -= 1;
                    self.closed = self.objects == 0;
                }
                b',' if self.within == 0 => self.wants_key = true,
                b':' if self.within == 0 => self.wants_key = false,
                _ => {}
            }
        }
        self.pass(data);
        Ok(Progress::More)
    }

    /// Goes through a text as far as it is there; how many bytes that were.
    fn read_text(&mut self, data: &[u8]) -> usize {
        if std::mem::take(&mut self.escaped) {
            self.keep(&data[..1]);
            return 1;
        }
        let Some(found) = memchr::memchr2(b'"', b'\\', data) else {
            self.keep(data);
            return data.len();
        };
        self.keep(&data[..found]);
        if data[found] == b'"' {
            self.in_text = false;
        } else {
            self.keep(b"\\");
            self.escaped = true;
        }
        found + 1
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_key {
            let room = KEY.saturating_sub(self.key.len());
            self.key.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// The key that was read last, as it is meant.
    fn take_key(&mut self) -> String {
        let quoted = [b"\"", self.key.as_slice(), b"\""].concat();
        self.key.clear();
        let read = Parser::new(&quoted).text().map(std::borrow::Cow::into_owned);
        read.unwrap_or_else(|_| String::from_utf8_lossy(&quoted).into_owned())
    }

    fn begin_array(&mut self, offset: u64) {
        let key = self.take_key();
        let path = self.path.iter().map(String::as_str).chain([key.as_str()]).collect::<Vec<_>>().join(".");
        self.found.push(Inner { path, offset, objects: false });
    }

    /// Says what the array that has just begun holds, and forgets those that are not looked for.
    fn first_element(&mut self, object: bool) {
        let Some(last) = self.found.last_mut() else { return };
        last.objects = object;
        let wanted = self.named == Some(last.path.as_str());
        if !object && !wanted {
            self.found.pop();
        } else if self.found.len() > REMEMBERED && !wanted {
            self.found.pop();
            self.more += 1;
        }
    }

    fn choose(mut self, records: Option<&str>) -> Result<Layout, Stop> {
        if records == Some(".") {
            return Ok(Layout::Values { several: false });
        }
        if let Some(named) = self.named {
            return match self.found.iter().position(|inner| inner.path == named) {
                Some(at) => Ok(self.within(at)),
                None => {
                    let hint = match self.names() {
                        names if names.is_empty() => "It has no array of objects.".to_owned(),
                        names => format!("Its arrays of objects are {names}."),
                    };
                    let named = excerpt(named.as_bytes());
                    let detail = format!("The object in the file has no array '{named}'. {hint}");
                    Err(Rejection::new("unknown_records", detail).into())
                }
            };
        }
        self.found.retain(|inner| inner.objects);
        match self.found.len() {
            0 => Ok(Layout::Values { several: false }),
            1 => Ok(self.within(0)),
            _ => {
                let detail = format!(
                    "The object in the file has several arrays of objects: {}. Say with the option 'records' \
                     which of them are the rows; '.' makes the whole object one row.",
                    self.names()
                );
                Err(Rejection::new("ambiguous_records", detail).into())
            }
        }
    }

    fn within(&mut self, at: usize) -> Layout {
        let inner = self.found.swap_remove(at);
        Layout::Within { path: inner.path, offset: inner.offset }
    }

    /// The arrays of objects, for people.
    fn names(&self) -> String {
        let objects: Vec<_> = self.found.iter().filter(|inner| inner.objects).collect();
        let mut names: Vec<String> =
            objects.iter().take(10).map(|inner| format!("'{}'", excerpt(inner.path.as_bytes()))).collect();
        let others = objects.len() + self.more - names.len();
        if others > 0 {
            names.push(format!("and {others} more"));
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str, records: Option<&str>) -> Result<Layout, Rejection> {
        let options = ReadOptions { records: records.map(str::to_owned), ..ReadOptions::default() };
        find(&options, Text::utf8(text.as_bytes(), u64::MAX)).map_err(|stop| match stop {
            Stop::Rejected(rejection) => *rejection,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn rows_are_found() {
        let within = |path: &str, offset| Ok(Layout::Within { path: path.to_owned(), offset });
        assert_eq!(layout(" [1]", None), Ok(Layout::Array));
        assert_eq!(layout("{}\n{}", None), Ok(Layout::Values { several: true }));
        assert_eq!(layout("{\"a\":[1,2],\"b\":{}}\n", None), Ok(Layout::Values { several: false }));
        assert_eq!(layout("{\"a\":[{\"b\":[{}]}]}", None), within("a", 6));
        assert_eq!(layout("{\"m\":{\"n\":1},\"d\":{\"i\":[ {}]}}", None), within("d.i", 23));
        assert_eq!(layout("{\"a]\\\"\":[{}]}", None), within("a]\"", 9));
        assert_eq!(layout("{\"a\":[{}],\"b\":[{}]}", Some("b")), within("b", 15));
        assert_eq!(layout("{\"a\":[]}", Some("a")), within("a", 6));
        assert_eq!(layout("{\"a\":[{}]}", Some(".")), Ok(Layout::Values { several: false }));
    }

    #[test]
    fn what_is_not_clear_is_asked() {
        let rejection = layout("{\"a\":[{}],\"b\":{\"c\":[{}]}}", None).unwrap_err();
        assert_eq!(rejection.code, "ambiguous_records");
        assert!(rejection.detail.contains("'a', 'b.c'"), "{rejection}");
        let rejection = layout("{\"a\":[{}]}", Some("c")).unwrap_err();
        assert_eq!(rejection.code, "unknown_records");
        assert!(rejection.detail.contains("'a'"), "{rejection}");
        for (text, records) in [("[{}]", "a"), ("{}{}", "a")] {
            assert_eq!(layout(text, Some(records)).unwrap_err().code, "unknown_records");
        }
        assert_eq!(layout("{\"a\":[", None).unwrap_err().code, "invalid_json");
        assert_eq!(layout(" ", None).unwrap_err().code, "empty_file");
        assert_eq!(layout(&"{\"a\":".repeat(DEPTH + 1), None).unwrap_err().code, "too_deep");
    }
}
