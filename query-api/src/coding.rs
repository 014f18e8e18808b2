//! Answers in the codings that callers accept, packed once and kept.

use std::io::Write;

use actix_web::{
    HttpRequest,
    http::header::{AcceptEncoding, Encoding, Header},
    web,
};
use bytes::Bytes;
use moka::future::Cache;
use weir_events::Position;
use weir_infra::http::Problem;

/// Smaller answers are not worth it.
const WORTH: usize = 512;
/// Larger ones are packed where they keep nobody waiting who has nothing to do with it.
const LARGE: usize = 64 << 10;

/// A way to pack an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
    /// `gzip`
    Gzip,
}

impl Coding {
    /// What the caller likes best of those that there are; `None` for plain bytes.
    pub(crate) fn wanted(req: &HttpRequest) -> Option<Self> {
        let accepted = AcceptEncoding::parse(req).ok()?;
        let all = [Encoding::brotli(), Encoding::zstd(), Encoding::gzip(), Encoding::identity()];
        let best = accepted.negotiate(all.iter())?;
        [(Encoding::brotli(), Self::Brotli), (Encoding::zstd(), Self::Zstd), (Encoding::gzip(), Self::Gzip)]
            .into_iter()
            .find_map(|(encoding, coding)| (encoding == best).then_some(coding))
    }

    /// As in `Content-Encoding`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Packs fast rather than tightly: most answers go out only a few times before they change.
    fn pack(self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut packed = Vec::with_capacity(plain.len() / 4);
        match self {
            Self::Brotli => {
                let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, 4, 20);
                writer.write_all(plain)?;
                drop(writer);
            }
            Self::Zstd => packed = zstd::bulk::compress(plain, 3)?,
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(packed, flate2::Compression::new(5));
                writer.write_all(plain)?;
                packed = writer.finish()?;
            }
        }
        Ok(packed)
    }
}

/// Which answer: its entity tag, the position that stands in it, the coding.
type Key = (String, Position, Coding);

/// Packed answers, bounded by their size.
#[derive(Debug, Clone)]
pub(crate) struct Packed(Cache<Key, Bytes>);

impl Packed {
    /// Room for that many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let weigher =
            |key: &Key, packed: &Bytes| u32::try_from(key.0.len() + packed.len() + 200).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(bytes).weigher(weigher).build())
    }

    /// How many bytes are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }

    /// An answer in a coding; of all who want the same at once, one packs it. `None` where it is not worth it.
    ///
    /// # Errors
    /// 500 when it cannot be packed.
    pub(crate) async fn get(
        &self,
        etag: &str,
        position: Position,
        coding: Coding,
        plain: &Bytes,
    ) -> Result<Option<Bytes>, Problem> {
        if plain.len() < WORTH {
            return Ok(None);
        }
        let plain = plain.clone();
        let pack = async move {
            let packed = match plain.len() {
                ..=LARGE => coding.pack(&plain),
                _ => web::block(move || coding.pack(&plain)).await.map_err(Problem::internal)?,
            };
            packed.map(Bytes::from).map_err(Problem::internal)
        };
        let packed = self.0.try_get_with((etag.to_owned(), position, coding), pack).await;
        packed.map(Some).map_err(|problem| (*problem).clone())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn callers_get_what_they_accept() {
        for (accept, coding) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("zstd;q=1, gzip;q=0.5", Some("zstd")),
            ("br;q=0.1, gzip;q=0.9", Some("gzip")),
            ("deflate", None),
            ("identity", None),
            ("br;q=0", None),
            ("", None),
        ] {
            let req = TestRequest::get().insert_header(("accept-encoding", accept)).to_http_request();
            let wanted = Coding::wanted(&req).map(Coding::as_str);
            match accept {
                // Among equals whichever.
                "gzip, deflate, br, zstd" => assert!(wanted.is_some()),
                _ => assert_eq!(wanted, coding, "{accept}"),
            }
        }
        assert_eq!(Coding::wanted(&TestRequest::get().to_http_request()), None);
    }
}
