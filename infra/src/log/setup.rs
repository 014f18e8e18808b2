//! The stream and its settings.

use std::{fmt, time::Duration};

use async_nats::jetstream::{
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Compression, Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use weir_events::log::DEDUP_WINDOW;

use super::{Options, STREAM, SUBJECTS, link::Link, wire::code};

/// The oldest server whose atomic batches keep their promises.
const OLDEST_SERVER: (u64, u64, u64) = (2, 14, 4);

/// Why the log cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The server does not answer, or JetStream is not there yet.
    #[error("the NATS server is not available: {0}")]
    Unavailable(String),
    /// The server is too old.
    #[error("NATS {found} is too old: {needed} or newer is needed")]
    TooOld {
        /// Its version.
        found: String,
        /// The oldest version that serves.
        needed: String,
    },
    /// There is a stream of that name, but not with the settings that the log's promises rest on.
    #[error("the stream {STREAM} has other settings than the event log needs: {}", list(.0))]
    Settings(Vec<Difference>),
    /// The log's metrics are registered already.
    #[error("the event log's metrics: {0}")]
    Metrics(String),
    /// The server refused to create the stream.
    #[error("the stream {STREAM} could not be created: {0}")]
    Refused(String),
}

/// A setting of the stream that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name, as NATS calls it.
    pub setting: &'static str,
    /// What the stream has.
    pub found: String,
    /// What it must have.
    pub wanted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, not {}", self.setting, self.found, self.wanted)
    }
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn wanted(options: &Options) -> Config {
    Config {
        name: STREAM.to_owned(),
        description: Some("Everything that ever happened in Weir".to_owned()),
        subjects: vec![SUBJECTS.to_owned()],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_age: Duration::ZERO,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        deny_delete: true,
        deny_purge: true,
        allow_atomic_publish: true,
        allow_direct: true,
        compression: Some(Compression::S2),
        duplicate_window: DEDUP_WINDOW,
        num_replicas: options.replicas,
        ..Config::default()
    }
}

/// Checks the server, then creates the stream or checks the one that is there.
pub(super) async fn ensure(link: &Link, options: &Options) -> Result<(), SetupError> {
    let connected = async {
        while link.connection().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(link.timeout, connected)
        .await
        .map_err(|_| SetupError::Unavailable("there is no connection to the server".to_owned()))?;
    check_version(&link.client.server_info().version)?;

    let wanted = wanted(options);
    let deadline = tokio::time::Instant::now() + link.timeout;
    loop {
        let reason = match link.jetstream.get_stream(STREAM).await {
            Ok(stream) => return check_settings(&stream.cached_info().config, &wanted),
            Err(e) => match e.kind() {
                GetStreamErrorKind::JetStream(e) if e.error_code().0 == code::NO_STREAM => {
                    match link.jetstream.create_stream(wanted.clone()).await {
                        // Another process may have been first: look at what is there now.
                        Ok(_) => continue,
                        Err(e) => match e.kind() {
                            CreateStreamErrorKind::JetStream(e)
                                if !code::NOT_NOW.contains(&e.error_code().0) =>
                            {
                                return Err(SetupError::Refused(e.to_string()));
                            }
                            _ => e.to_string(),
                        },
                    }
                }
                _ => e.to_string(),
            },
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(SetupError::Unavailable(reason));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn check_version(found: &str) -> Result<(), SetupError> {
    let mut parts =
        found.split(['-', '+']).next().unwrap_or_default().split('.').map(|p| p.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) >= OLDEST_SERVER {
        return Ok(());
    }
    let (major, minor, patch) = OLDEST_SERVER;
    Err(SetupError::TooOld { found: found.to_owned(), needed: format!("{major}.{minor}.{patch}") })
}

/// Compares a stream's settings with those that the event log needs, as connecting does.
///
/// # Errors
/// [`SetupError::Settings`], with every difference.
pub fn check(found: &Config, options: &Options) -> Result<(), SetupError> {
    check_settings(found, &wanted(options))
}

fn check_settings(found: &Config, wanted: &Config) -> Result<(), SetupError> {
    let mut differences = Vec::new();
    macro_rules! compare {
        ($( $name:literal: $field:ident ),+ $(,)?) => { $(
            if found.$field != wanted.$field {
                differences.push(Difference {
                    setting: $name,
                    found: format!("{:?}", found.$field),
                    wanted: format!("{:?}", wanted.$field),
                });
            }
        )+ };
    }
    compare! {
        "subjects": subjects,
        "storage": storage,
        "retention": retention,
        "discard": discard,
        "max_age": max_age,
        "max_bytes": max_bytes,
        "max_msgs": max_messages,
        "max_msgs_per_subject": max_messages_per_subject,
        "deny_delete": deny_delete,
        "deny_purge": deny_purge,
        "allow_rollup_hdrs": allow_rollup,
        "allow_msg_ttl": allow_message_ttl,
        "allow_atomic": allow_atomic_publish,
        "allow_direct": allow_direct,
        "compression": compression,
        "duplicate_window": duplicate_window,
        "num_replicas": num_replicas,
        "max_msg_size": max_message_size,
        "persist_mode": persist_mode,
        "republish": republish,
        "subject_transform": subject_transform,
        "mirror": mirror,
        "sources": sources,
        "no_ack": no_ack,
        "sealed": sealed,
    }
    if differences.is_empty() { Ok(()) } else { Err(SetupError::Settings(differences)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused() {
        for version in ["2.14.4", "2.14.10", "2.15.1", "3.0.0", "2.15.0-RC.1"] {
            assert_eq!(check_version(version), Ok(()), "{version}");
        }
        for version in ["2.14.3", "2.12.9", "1.99.99", "", "nonsense"] {
            assert!(matches!(check_version(version), Err(SetupError::TooOld { .. })), "{version}");
        }
    }

    #[test]
    fn every_difference_is_named() {
        let wanted = wanted(&Options::default());
        let found = Config { max_age: Duration::from_secs(60), deny_purge: false, ..wanted.clone() };
        let Err(error) = check_settings(&found, &wanted) else { panic!("not noticed") };
        assert_eq!(
            error.to_string(),
            "the stream WEIR_EVENTS has other settings than the event log needs: \
             max_age is 60s, not 0ns; deny_purge is false, not true"
        );
    }
}
