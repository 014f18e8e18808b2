//! The options, each declared once.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Deserialize;

use super::values::{Addresses, Bytes, LogFormat, ModelDialect, Period, Secret, YesOrNo};

/// Declares the options once, for the command line, the environment and the file.
macro_rules! options {
    ($( $(#[doc = $help:literal])+ $key:ident: $kind:ty = $env:literal, )*) => {
        /// Everything that can be set, as given; what is not given has its default.
        #[derive(Debug, Clone, Default, clap::Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Options {
            $( $(#[doc = $help])+ #[arg(long, global = true, env = $env, hide_env_values = true, value_name = "VALUE")]
            pub(crate) $key: Option<$kind>, )*
            /// Secret of at least 32 bytes that signs access tokens [default: generated into the data folder]
            #[arg(skip)]
            pub(crate) signing_key: Option<Secret>,
            /// Key of the language model's provider
            #[arg(skip)]
            pub(crate) model_key: Option<Secret>,
        }

        impl Options {
            /// These, and the others where these say nothing.
            pub(super) fn or(self, others: Self) -> Self {
                Self {
                    $( $key: self.$key.or(others.$key), )*
                    signing_key: self.signing_key.or(others.signing_key),
                    model_key: self.model_key.or(others.model_key),
                }
            }
        }
    };
}

options! {
    /// Address and port of the HTTP server [default: 127.0.0.1:8080, or a free port if that is taken]
    listen: SocketAddr = "WEIR_LISTEN",
    /// Folder of everything that Weir keeps [default: .weir/data]
    data_dir: PathBuf = "WEIR_DATA_DIR",
    /// E-mail address of the account that may see and rebuild what all workspaces share [default: the first account]
    owner: String = "WEIR_OWNER",
    /// NATS server to use instead of a child process, such as nats://host:4222; one with a password belongs into the
    /// environment or the file
    nats_url: String = "WEIR_NATS_URL",
    /// How many servers of a NATS cluster keep the event stream [default: 1]
    nats_replicas: usize = "WEIR_NATS_REPLICAS",
    /// PostgreSQL database to use instead of a child process, such as postgresql://user@host/weir; one with a password
    /// belongs into the environment or the file
    database_url: String = "WEIR_DATABASE_URL",
    /// How many connections to PostgreSQL a process opens at most [default: 16]
    database_connections: usize = "WEIR_DATABASE_CONNECTIONS",
    /// Blob store: a folder or file:// address [default: blobs in the data folder]
    blob_url: String = "WEIR_BLOB_URL",
    /// Redis or Valkey that processes share results through, such as redis://host:6379, or rediss:// with TLS; one with
    /// a password belongs into the environment or the file [default: none, each process has its own memory only]
    redis_url: String = "WEIR_REDIS_URL",
    /// What all keys in it begin with, so that several installations may share one [default: weir]
    redis_prefix: String = "WEIR_REDIS_PREFIX",
    /// Folder with nats-server, postgres and initdb [default: .weir/bin, then the PATH]
    bin_dir: PathBuf = "WEIR_BIN_DIR",
    /// How log lines look: text or json [default: text]
    log_format: LogFormat = "WEIR_LOG_FORMAT",
    /// What is logged, such as `info` or `warn,weir_projector=debug` [default: info]
    log_level: String = "WEIR_LOG_LEVEL",
    /// Threads that answer HTTP requests [default: one per processor]
    http_workers: usize = "WEIR_HTTP_WORKERS",
    /// Addresses of proxies in front of Weir, with commas between, whose word on who is calling counts [default: those
    /// on this machine]
    trusted_proxies: Addresses = "WEIR_TRUSTED_PROXIES",
    /// How long running requests may take to finish when Weir stops [default: 10s]
    drain_time: Period = "WEIR_DRAIN_TIME",
    /// Language model that answers questions in plain language, as its provider calls it, such as gpt-5-mini; without it
    /// only people with keys of their own can ask
    model_name: String = "WEIR_MODEL_NAME",
    /// How the language model is spoken to: openai, as OpenAI, Azure, Ollama, vLLM and llama.cpp are, or anthropic
    /// [default: openai]
    model_dialect: ModelDialect = "WEIR_MODEL_DIALECT",
    /// Where the language model is, such as http://127.0.0.1:11434/v1 [default: the provider whose dialect it is]
    model_url: String = "WEIR_MODEL_URL",
    /// Whether people may bring keys of their own for OpenAI and Anthropic: true or false [default: true]
    model_own_providers: YesOrNo = "WEIR_MODEL_OWN_PROVIDERS",
    /// Longest time that a language model may take for one answer [default: 60s]
    model_time: Period = "WEIR_MODEL_TIME",
    /// Questions of one workspace that are with a language model at the same time [default: 4]
    model_concurrency: usize = "WEIR_MODEL_CONCURRENCY",
    /// What a language model is told about the data, for each question [default: 48KiB]
    model_prompt_bytes: Bytes = "WEIR_MODEL_PROMPT_BYTES",
    /// Memory for what language models answered [default: 16MiB]
    model_cache_bytes: Bytes = "WEIR_MODEL_CACHE_BYTES",
    /// Largest upload, as sent [default: 10GiB]
    upload_bytes: Bytes = "WEIR_UPLOAD_BYTES",
    /// Largest text that an upload may hold once unpacked [default: 64GiB]
    unpacked_bytes: Bytes = "WEIR_UNPACKED_BYTES",
    /// Hosts, as host or host:port with commas between, from which files may be imported although they are private, and
    /// without TLS [default: none]
    import_hosts: String = "WEIR_IMPORT_HOSTS",
    /// Longest time that the import of a file from an address may take [default: 10m]
    import_time: Period = "WEIR_IMPORT_TIME",
    /// Files that are imported for one workspace at the same time [default: 2]
    import_concurrency: usize = "WEIR_IMPORT_CONCURRENCY",
    /// Hosts, as host or host:port with commas between, that webhooks may lead to although they are private, and without
    /// TLS [default: none]
    webhook_hosts: String = "WEIR_WEBHOOK_HOSTS",
    /// Webhooks that a workspace may have [default: 20]
    webhooks: usize = "WEIR_WEBHOOKS",
    /// How long a webhook's server may take to answer [default: 15s]
    webhook_time: Period = "WEIR_WEBHOOK_TIME",
    /// The first pause before a webhook is told again; later ones are longer, up to six hours [default: 5s]
    webhook_retry: Period = "WEIR_WEBHOOK_RETRY",
    /// How long a webhook is told again before it is disabled [default: 24h]
    webhook_give_up: Period = "WEIR_WEBHOOK_GIVE_UP",
    /// Events that wait for one webhook; the others stay in the log [default: 1000]
    webhook_waiting: usize = "WEIR_WEBHOOK_WAITING",
    /// Largest Excel workbook that an upload may hold once unpacked [default: 4GiB]
    workbook_bytes: Bytes = "WEIR_WORKBOOK_BYTES",
    /// Columns that a file may have [default: 2000]
    csv_columns: usize = "WEIR_CSV_COLUMNS",
    /// Largest cell of a file [default: 1MiB]
    csv_cell_bytes: Bytes = "WEIR_CSV_CELL_BYTES",
    /// Largest row of a file [default: 16MiB]
    csv_row_bytes: Bytes = "WEIR_CSV_ROW_BYTES",
    /// Files that a process reads at the same time [default: 2]
    ingest_parallel: usize = "WEIR_INGEST_PARALLEL",
    /// Longest time that reading a file may take [default: 1h]
    ingest_time: Period = "WEIR_INGEST_TIME",
    /// Files of one workspace that may wait to be read [default: 100]
    ingest_waiting: usize = "WEIR_INGEST_WAITING",
    /// Longest time that a query may run [default: 30s]
    query_time: Period = "WEIR_QUERY_TIME",
    /// Memory that one query may use before it spills to disk [default: 256MiB]
    query_memory: Bytes = "WEIR_QUERY_MEMORY",
    /// Rows in a query's answer where the caller names no limit; more are cut off [default: 10000]
    query_rows: usize = "WEIR_QUERY_ROWS",
    /// Rows that a caller may ask for at most [default: 100000]
    query_max_rows: usize = "WEIR_QUERY_MAX_ROWS",
    /// Bytes in a query's answer; more are cut off [default: 64MiB]
    query_bytes: Bytes = "WEIR_QUERY_BYTES",
    /// Queries of one workspace that run at the same time [default: 4]
    query_concurrency: usize = "WEIR_QUERY_CONCURRENCY",
    /// How long a query, a question or an import waits for its turn before it is refused [default: 10s]
    query_wait: Period = "WEIR_QUERY_WAIT",
    /// Memory that all queries together may use [default: 1GiB]
    engine_memory: Bytes = "WEIR_ENGINE_MEMORY",
    /// Disk that all queries together may spill to [default: 8GiB]
    engine_spill: Bytes = "WEIR_ENGINE_SPILL",
    /// Largest result of a run that is kept in the blob store, to be had again by its run and by whoever asks the same
    /// [default: 8MiB]
    kept_result_bytes: Bytes = "WEIR_KEPT_RESULT_BYTES",
    /// Memory for results of queries that are kept [default: 256MiB]
    result_cache_bytes: Bytes = "WEIR_RESULT_CACHE_BYTES",
    /// How long a look into Redis or a write to it may take; then it is done without [default: 50ms]
    redis_wait: Period = "WEIR_REDIS_WAIT",
    /// How long connecting to Redis may take; nobody waits for it [default: 500ms]
    redis_connect_time: Period = "WEIR_REDIS_CONNECT_TIME",
    /// Largest value that is put into Redis [default: 1MiB]
    redis_value_bytes: Bytes = "WEIR_REDIS_VALUE_BYTES",
    /// How long results of queries stay in Redis; 0s shares none [default: 1h]
    cache_result_ttl: Period = "WEIR_CACHE_RESULT_TTL",
    /// How long answers of language models are kept, in memory and in Redis; 0s keeps none [default: 7d]
    cache_llm_ttl: Period = "WEIR_CACHE_LLM_TTL",
    /// Memory for answers of the read side that are kept ready [default: 64MiB]
    cache_bytes: Bytes = "WEIR_CACHE_BYTES",
    /// How long a read waits for the position that it asks for [default: 2s]
    position_wait: Period = "WEIR_POSITION_WAIT",
    /// Streams of one workspace's events that may be open at the same time [default: 2000]
    event_streams: usize = "WEIR_EVENT_STREAMS",
    /// Moments of the past that are kept for those who look again, of all workspaces [default: 32]
    past_kept: usize = "WEIR_PAST_KEPT",
    /// Events that a workspace may have had by a moment of the past that is to be shown [default: 1000000]
    past_events: u64 = "WEIR_PAST_EVENTS",
    /// How long a read waits for a moment of the past [default: 10s]
    past_wait: Period = "WEIR_PAST_WAIT",
    /// How long an event waits at most until it is written into the archive [default: 10m]
    archive_time: Period = "WEIR_ARCHIVE_TIME",
    /// From how many waiting events on they are written into the archive at once [default: 50000]
    archive_events: u64 = "WEIR_ARCHIVE_EVENTS",
    /// Room for the answers to requests with an Idempotency-Key; more are not kept [default: 1GiB]
    reply_bytes: Bytes = "WEIR_REPLY_BYTES",
    /// API keys that a workspace may have [default: 1000]
    api_keys: usize = "WEIR_API_KEYS",
    /// Failed logins to an account within five minutes [default: 10]
    login_attempts: u32 = "WEIR_LOGIN_ATTEMPTS",
    /// Failed logins and registrations from an address within five minutes [default: 100]
    address_attempts: u32 = "WEIR_ADDRESS_ATTEMPTS",
}

impl Options {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("config: {} cannot be read", path.display()))?;
        toml::from_str(&text).map_err(|error| {
            anyhow::anyhow!("config: {} is not right: {}", path.display(), described(&text, &error))
        })
    }
}

/// What is wrong in a file, and where. The line itself is not shown: it may hold a secret.
fn described(text: &str, error: &toml::de::Error) -> String {
    let before = text.get(..error.span().unwrap_or_default().start).unwrap_or_default();
    let number = before.matches('\n').count();
    let key = text.lines().nth(number).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    match key {
        Some(
            key @ ("signing_key" | "nats_url" | "database_url" | "redis_url" | "model_key" | "model_url"),
        ) => {
            format!("line {}: {key} has no sense, or the lines around it do not", number + 1)
        }
        Some(key) => format!("line {}: {key}: {}", number + 1, error.message()),
        None => format!("line {}: {}", number + 1, error.message()),
    }
}
