//! Grants: keys with which another program reads one workspace's events straight from NATS, and nothing else.
//!
//! A grant is a durable pull consumer on the stream, with the workspace as its filter and what there is to know
//! of the grant as its metadata. Weir makes the consumer; whoever has the key may fetch from it and acknowledge.
//! The server is told of the key by [`account`]: each grant is an account of its own there, which sees three
//! services of Weir's account and nothing besides. `docs/adr/0018-grants.md` says why it is done so.
//!
//! Deliberately absent: the secret half of a key, which is shown once and kept nowhere.

use std::{collections::HashMap, fmt::Write as _};

use async_nats::jetstream::{
    self, Context,
    consumer::{AckPolicy, DeliverPolicy, Info, pull},
};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use uuid::Uuid;
use weir_events::{Filter, Position, WorkspaceId};

use crate::log::STREAM;

/// Where a granted client finds JetStream's services, in the place of `$JS.API`.
pub const API_PREFIX: &str = "WEIR.API";
/// Weir's own account on a server that Weir starts.
pub const WEIR_ACCOUNT: &str = "WEIR";
/// Connections that may be open with one grant's key at once.
pub const CONNECTIONS: usize = 16;

/// Events that may be on their way to a granted client without an acknowledgement.
const UNACKNOWLEDGED: i64 = 1_000;
/// What the consumers of grants are called, before the grant's id.
const NAME: &str = "grant-";

/// Leave to read one workspace's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Whose events.
    pub workspace: WorkspaceId,
    /// The public half of the key.
    pub key: String,
    /// When it was given.
    pub created_at: DateTime<Utc>,
    /// Everything up to here has been acknowledged.
    pub acknowledged: Position,
    /// Events that have not been fetched yet.
    pub pending: u64,
}

impl Grant {
    /// The consumer's name, which is the account's as well.
    pub fn consumer(&self) -> String {
        format!("{NAME}{}", self.id)
    }

    /// Nothing if the consumer is none of a grant.
    fn of(info: &Info) -> Option<Self> {
        let about = |key: &str| info.config.metadata.get(key);
        Some(Self {
            id: info.name.strip_prefix(NAME)?.parse().ok()?,
            name: about("weir-name").cloned().unwrap_or_default(),
            workspace: about("weir-workspace")?.parse().ok()?,
            key: about("weir-key")?.clone(),
            created_at: DateTime::from_timestamp_nanos(
                i64::try_from(info.created.unix_timestamp_nanos()).unwrap_or_default(),
            ),
            acknowledged: Position(info.ack_floor.stream_sequence),
            pending: info.num_pending,
        })
    }
}

/// What a grant is to be.
#[derive(Debug, Clone)]
pub struct New {
    /// What people call it.
    pub name: String,
    /// Whose events.
    pub workspace: WorkspaceId,
    /// The events after this position.
    pub after: Position,
}

/// The server did not do what a grant needs.
#[derive(Debug, thiserror::Error)]
#[error("the NATS server cannot be asked about grants: {0}")]
pub struct Error(String);

/// The grants that there are on a server.
#[derive(Debug, Clone)]
pub struct Grants {
    jetstream: Context,
}

impl Grants {
    /// Those on the server that this client is connected to.
    pub fn new(client: async_nats::Client) -> Self {
        Self { jetstream: jetstream::new(client) }
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn list(&self) -> Result<Vec<Grant>, Error> {
        let stream = self.jetstream.get_stream_no_info(STREAM).await.map_err(failed)?;
        let all: Vec<Info> = stream.consumers().try_collect().await.map_err(failed)?;
        let mut grants: Vec<Grant> = all.iter().filter_map(Grant::of).collect();
        grants.sort_by_key(|grant| (grant.created_at, grant.id));
        Ok(grants)
    }

    /// Makes one for the key whose public half this is. The server lets nobody use it until it is told of the key.
    ///
    /// # Errors
    /// When the server does not make the consumer.
    pub async fn create(&self, new: New, key: String) -> Result<Grant, Error> {
        let name = format!("{NAME}{}", Uuid::now_v7());
        let config = pull::Config {
            durable_name: Some(name.clone()),
            name: Some(name),
            description: Some("Reads one workspace's events: `weir events grants`".to_owned()),
            deliver_policy: match new.after {
                Position::START => DeliverPolicy::All,
                Position(after) => DeliverPolicy::ByStartSequence { start_sequence: after.saturating_add(1) },
            },
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: UNACKNOWLEDGED,
            filter_subject: Filter::Workspace(new.workspace).to_wildcard(),
            metadata: HashMap::from([
                ("weir-name".to_owned(), new.name),
                ("weir-workspace".to_owned(), new.workspace.to_string()),
                ("weir-key".to_owned(), key),
            ]),
            ..pull::Config::default()
        };
        let made = self.jetstream.create_consumer_strict_on_stream(config, STREAM).await.map_err(failed)?;
        Grant::of(made.cached_info()).ok_or_else(|| Error("it made another consumer".to_owned()))
    }

    /// Takes one back: nothing can be read with it from here on. Says whether there was one.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn delete(&self, id: Uuid) -> Result<bool, Error> {
        let deleted = self.jetstream.delete_consumer_from_stream(format!("{NAME}{id}"), STREAM).await;
        match deleted {
            Ok(status) => Ok(status.success),
            Err(error) if error.to_string().contains("consumer not found") => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether the consumer can be reached with this key by now, as its owner will reach it.
///
/// # Errors
/// In words, what is in the way.
pub async fn usable(address: &str, seed: &str, grant: &Grant) -> Result<(), String> {
    let client = async_nats::ConnectOptions::with_nkey(seed.to_owned())
        .max_reconnects(1)
        .connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let jetstream = jetstream::with_prefix(client, API_PREFIX);
    let found = jetstream.get_consumer_from_stream::<pull::Config, _, _>(grant.consumer(), STREAM).await;
    found.map(drop).map_err(|error| error.to_string())
}

/// A new key: its public half, and the secret one.
///
/// # Errors
/// When the system has no randomness.
pub fn new_key() -> Result<(String, String), Error> {
    let pair = nkeys::KeyPair::new_user();
    let seed = pair.seed().map_err(failed)?;
    Ok((pair.public_key(), seed))
}

/// What Weir's account lets others use, as a block of a server's configuration. An account reaches only the consumer
/// of its own name.
pub fn exports() -> String {
    format!(
        "exports: [\n  \
           {{ service: \"$JS.API.CONSUMER.INFO.{STREAM}.*\", account_token_position: 6 }}\n  \
           {{ service: \"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.*\", account_token_position: 7, response_type: stream }}\n  \
           {{ service: \"$JS.ACK.{STREAM}.*.>\", account_token_position: 4 }}\n\
         ]\n"
    )
}

/// A grant's account, as a block of a server's configuration.
///
/// The services have other names in it (`to`): a server adds `$JS.API` of its own to every account, which would answer
/// beside them that there is no JetStream.
pub fn account(grant: &Grant) -> String {
    let consumer = grant.consumer();
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\"{consumer}\": {{\n  \
           limits {{ max_connections: {CONNECTIONS} }}\n  \
           imports: [\n"
    );
    for service in ["CONSUMER.INFO", "CONSUMER.MSG.NEXT"] {
        let _ = writeln!(
            text,
            "    {{ service: {{ account: {WEIR_ACCOUNT}, subject: \"$JS.API.{service}.{STREAM}.{consumer}\" }}, \
             to: \"{API_PREFIX}.{service}.{STREAM}.{consumer}\" }}"
        );
    }
    let _ = write!(
        text,
        "    {{ service: {{ account: {WEIR_ACCOUNT}, subject: \"$JS.ACK.{STREAM}.{consumer}.>\" }} }}\n  \
           ]\n  \
           users: [ {{\n    \
             nkey: {key}\n    \
             permissions: {{\n      \
               publish: {{ allow: [\"{API_PREFIX}.CONSUMER.INFO.{STREAM}.{consumer}\", \
                 \"{API_PREFIX}.CONSUMER.MSG.NEXT.{STREAM}.{consumer}\", \"$JS.ACK.{STREAM}.{consumer}.>\"] }}\n      \
               subscribe: {{ allow: [\"_INBOX.>\"] }}\n    \
             }}\n  \
           }} ]\n\
         }}\n",
        key = grant.key,
    );
    text
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error(error.to_string())
}
