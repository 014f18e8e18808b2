//! Logs: one line per fact, as text for people or JSON for machines, on standard error.

use std::{io::IsTerminal, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is not a log format: text or json")),
        }
    }
}

/// What to log and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// How lines look.
    pub format: Format,
    /// What is logged, in the manner of `info` or `warn,weir_projector=debug`.
    pub level: String,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter makes no sense.
    #[error("log_level: `{0}` is not a filter such as `info` or `warn,weir_projector=debug`: {1}")]
    Level(String, tracing_subscriber::filter::ParseError),
    /// It has begun already.
    #[error("logging was started twice")]
    Twice,
}

/// Begins logging, for the whole process.
///
/// # Errors
/// See [`Error`].
pub fn init(options: &Options) -> Result<(), Error> {
    let filter =
        EnvFilter::try_new(&options.level).map_err(|error| Error::Level(options.level.clone(), error))?;
    let registry = tracing_subscriber::registry().with(filter);
    // Standard output belongs to what a command answers.
    let result = match options.format {
        Format::Text => registry
            .with(fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
        Format::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
    };
    result.map_err(|_| Error::Twice)
}
