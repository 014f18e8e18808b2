//! Settings: flags, then environment, then file, then defaults. One name each: `listen` in the file is `--listen` on
//! the command line and `WEIR_LISTEN` in the environment. Secrets are no flags: everyone on the machine can read those.

mod options;
mod values;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use weir_infra::{auth::SigningKey, llm, telemetry};

pub(crate) use options::Options;
pub(crate) use values::masked;
use values::{Bytes, ModelDialect, Period, Secret};

/// What libraries tell of their daily work is of no interest to an operator.
pub(crate) const LOG_LEVEL: &str =
    "info,async_nats=warn,refinery_core=warn,tokio_postgres=warn,actix_server=warn";

const HOUR: Duration = Duration::from_secs(3_600);

/// The settings, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    pub(crate) data_dir: PathBuf,
    pub(crate) nats_url: Option<String>,
    pub(crate) nats_replicas: usize,
    pub(crate) database_url: Option<String>,
    pub(crate) database_connections: usize,
    pub(crate) blob_url: String,
    pub(crate) redis_url: Option<String>,
    pub(crate) redis_prefix: String,
    pub(crate) signing_key: Option<Secret>,
    /// Where to look for server programs before the `PATH`.
    pub(crate) bin_dirs: Vec<PathBuf>,
    pub(crate) telemetry: telemetry::Options,
    pub(crate) http_workers: usize,
    pub(crate) trusted_proxies: Option<Vec<IpAddr>>,
    pub(crate) drain_time: Duration,
    /// The language model, where one is configured.
    pub(crate) model: Option<llm::Config>,
    /// Whether people may bring keys for providers outside.
    pub(crate) import_hosts: Vec<String>,
    pub(crate) webhook_hosts: Vec<String>,
    pub(crate) owner: Option<String>,
    pub(crate) model_own_providers: bool,
    pub(crate) limits: Limits,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
}

/// Where to listen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    /// Whether somebody asked for this very address, so that another one will not do.
    pub(crate) given: bool,
}

/// What callers may use up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) upload_bytes: u64,
    pub(crate) unpacked_bytes: u64,
    pub(crate) import_time: Duration,
    pub(crate) import_concurrency: usize,
    pub(crate) webhooks: usize,
    pub(crate) webhook_time: Duration,
    pub(crate) webhook_retry: Duration,
    pub(crate) webhook_give_up: Duration,
    pub(crate) webhook_waiting: usize,
    pub(crate) workbook_bytes: u64,
    pub(crate) csv_columns: usize,
    pub(crate) csv_cell_bytes: usize,
    pub(crate) csv_row_bytes: usize,
    pub(crate) ingest_parallel: usize,
    pub(crate) ingest_time: Duration,
    pub(crate) ingest_waiting: usize,
    pub(crate) query_time: Duration,
    pub(crate) query_memory: usize,
    pub(crate) query_rows: usize,
    pub(crate) query_max_rows: usize,
    pub(crate) query_bytes: usize,
    pub(crate) query_concurrency: usize,
    pub(crate) query_wait: Duration,
    pub(crate) engine_memory: usize,
    pub(crate) engine_spill: u64,
    pub(crate) result_cache_bytes: u64,
    pub(crate) redis_wait: Duration,
    pub(crate) redis_connect_time: Duration,
    pub(crate) redis_value_bytes: usize,
    pub(crate) cache_result_ttl: Duration,
    pub(crate) cache_llm_ttl: Duration,
    pub(crate) cache_bytes: u64,
    pub(crate) kept_result_bytes: u64,
    pub(crate) position_wait: Duration,
    pub(crate) event_streams: usize,
    pub(crate) past_kept: usize,
    pub(crate) past_events: u64,
    pub(crate) past_wait: Duration,
    pub(crate) archive_time: Duration,
    pub(crate) archive_events: u64,
    pub(crate) reply_bytes: u64,
    pub(crate) api_keys: usize,
    pub(crate) login_attempts: u32,
    pub(crate) address_attempts: u32,
    pub(crate) model_time: Duration,
    pub(crate) model_concurrency: usize,
    pub(crate) model_prompt_bytes: usize,
    pub(crate) model_cache_bytes: u64,
}

/// Hosts with commas between.
fn hosts(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect()
}

impl Settings {
    /// Completes what the command line and the environment said from the file and the defaults.
    pub(crate) fn resolve(options: Options, config: Option<&Path>) -> anyhow::Result<Self> {
        let given_dir = options.data_dir.clone().unwrap_or_else(|| PathBuf::from(".weir/data"));
        let file = match config {
            Some(path) => Some(path.to_owned()),
            None => [given_dir.join("weir.toml"), PathBuf::from("weir.toml")]
                .into_iter()
                .find(|path| path.is_file()),
        };
        let options = match &file {
            Some(path) => options.or(Options::read(path)?),
            None => options,
        };
        let data_dir = options.data_dir.unwrap_or(given_dir);
        let data_dir = std::path::absolute(&data_dir)
            .with_context(|| format!("data_dir: {} cannot be used", data_dir.display()))?;
        if let Some(missing) = options.bin_dir.as_ref().filter(|folder| !folder.is_dir()) {
            bail!("bin_dir: there is no folder {}", missing.display());
        }
        let mut bin_dirs: Vec<PathBuf> = options.bin_dir.into_iter().collect();
        bin_dirs.push(PathBuf::from(".weir/bin"));
        bin_dirs.extend(data_dir.parent().map(|parent| parent.join("bin")));
        let model_time = options.model_time.map_or(Duration::from_secs(60), |period| period.0);
        let model = model(
            options.model_name,
            options.model_dialect,
            options.model_url,
            options.model_key.as_ref(),
            model_time,
        )?;
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let settings = Self {
            listen: Listen {
                given: options.listen.is_some(),
                address: options.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8080).into()),
            },
            // A variable that is set to nothing is not set.
            nats_url: options.nats_url.filter(|url| !url.is_empty()),
            nats_replicas: options.nats_replicas.unwrap_or(1),
            database_url: options.database_url.filter(|url| !url.is_empty()),
            database_connections: options.database_connections.unwrap_or(16),
            blob_url: options
                .blob_url
                .filter(|url| !url.is_empty())
                .unwrap_or_else(|| data_dir.join("blobs").display().to_string()),
            redis_url: options.redis_url.filter(|url| !url.is_empty()),
            redis_prefix: options
                .redis_prefix
                .filter(|prefix| !prefix.is_empty())
                .unwrap_or_else(|| "weir".to_owned()),
            signing_key: options.signing_key,
            bin_dirs,
            telemetry: telemetry::Options {
                format: options.log_format.map(|format| format.0).unwrap_or_default(),
                level: options.log_level.unwrap_or_else(|| LOG_LEVEL.to_owned()),
            },
            http_workers: options.http_workers.unwrap_or(processors),
            trusted_proxies: options.trusted_proxies.map(|addresses| addresses.0),
            drain_time: options.drain_time.map_or(Duration::from_secs(10), |period| period.0),
            owner: options.owner.filter(|email| !email.trim().is_empty()),
            import_hosts: hosts(options.import_hosts),
            webhook_hosts: hosts(options.webhook_hosts),
            model,
            model_own_providers: options.model_own_providers.is_none_or(|yes| yes.0),
            limits: Limits {
                upload_bytes: options.upload_bytes.map_or(10 << 30, |bytes| bytes.0),
                unpacked_bytes: options.unpacked_bytes.map_or(64 << 30, |bytes| bytes.0),
                import_time: options.import_time.map_or(Duration::from_secs(600), |period| period.0),
                import_concurrency: options.import_concurrency.unwrap_or(2),
                webhooks: options.webhooks.unwrap_or(20),
                webhook_time: options.webhook_time.map_or(Duration::from_secs(15), |period| period.0),
                webhook_retry: options.webhook_retry.map_or(Duration::from_secs(5), |period| period.0),
                webhook_give_up: options
                    .webhook_give_up
                    .map_or(Duration::from_secs(24 * 3_600), |period| period.0),
                webhook_waiting: options.webhook_waiting.unwrap_or(1_000),
                workbook_bytes: options.workbook_bytes.map_or(4 << 30, |bytes| bytes.0),
                query_time: options.query_time.map_or(Duration::from_secs(30), |period| period.0),
                query_memory: in_memory(options.query_memory, 256 << 20, "query_memory")?,
                query_rows: options.query_rows.unwrap_or(10_000),
                query_max_rows: options.query_max_rows.unwrap_or(100_000),
                query_bytes: in_memory(options.query_bytes, 64 << 20, "query_bytes")?,
                query_concurrency: options.query_concurrency.unwrap_or(4),
                query_wait: options.query_wait.map_or(Duration::from_secs(10), |period| period.0),
                engine_memory: in_memory(options.engine_memory, 1 << 30, "engine_memory")?,
                engine_spill: options.engine_spill.map_or(8 << 30, |bytes| bytes.0),
                result_cache_bytes: options.result_cache_bytes.map_or(256 << 20, |bytes| bytes.0),
                redis_wait: period(options.redis_wait, Duration::from_millis(50)),
                redis_connect_time: period(options.redis_connect_time, Duration::from_millis(500)),
                redis_value_bytes: in_memory(options.redis_value_bytes, 1 << 20, "redis_value_bytes")?,
                cache_result_ttl: period(options.cache_result_ttl, HOUR),
                cache_llm_ttl: period(options.cache_llm_ttl, HOUR * 24 * 7),
                cache_bytes: options.cache_bytes.map_or(64 << 20, |bytes| bytes.0),
                csv_columns: options.csv_columns.unwrap_or(2000),
                csv_cell_bytes: in_memory(options.csv_cell_bytes, 1 << 20, "csv_cell_bytes")?,
                csv_row_bytes: in_memory(options.csv_row_bytes, 16 << 20, "csv_row_bytes")?,
                ingest_parallel: options.ingest_parallel.unwrap_or(2),
                ingest_time: period(options.ingest_time, HOUR),
                ingest_waiting: options.ingest_waiting.unwrap_or(100),
                kept_result_bytes: options.kept_result_bytes.map_or(8 << 20, |bytes| bytes.0),
                position_wait: options.position_wait.map_or(Duration::from_secs(2), |period| period.0),
                event_streams: options.event_streams.unwrap_or(2_000),
                past_kept: options.past_kept.unwrap_or(32),
                past_events: options.past_events.unwrap_or(1_000_000),
                past_wait: options.past_wait.map_or(Duration::from_secs(10), |period| period.0),
                archive_time: period(options.archive_time, Duration::from_secs(600)),
                archive_events: options.archive_events.unwrap_or(50_000).max(1),
                reply_bytes: options.reply_bytes.map_or(1 << 30, |bytes| bytes.0),
                api_keys: options.api_keys.unwrap_or(1000),
                login_attempts: options.login_attempts.unwrap_or(10),
                address_attempts: options.address_attempts.unwrap_or(100),
                model_time,
                model_concurrency: options.model_concurrency.unwrap_or(4),
                model_prompt_bytes: in_memory(options.model_prompt_bytes, 48 << 10, "model_prompt_bytes")?,
                model_cache_bytes: options.model_cache_bytes.map_or(16 << 20, |bytes| bytes.0),
            },
            data_dir,
            file,
        };
        for (key, number) in [
            ("nats_replicas", settings.nats_replicas),
            ("database_connections", settings.database_connections),
            ("http_workers", settings.http_workers),
            ("query_rows", settings.limits.query_rows),
            ("query_max_rows", settings.limits.query_max_rows),
            ("query_concurrency", settings.limits.query_concurrency),
            ("import_concurrency", settings.limits.import_concurrency),
            ("webhook_waiting", settings.limits.webhook_waiting),
            ("csv_columns", settings.limits.csv_columns),
            ("past_kept", settings.limits.past_kept),
            ("ingest_parallel", settings.limits.ingest_parallel),
            ("ingest_waiting", settings.limits.ingest_waiting),
            ("model_concurrency", settings.limits.model_concurrency),
        ] {
            if number == 0 {
                bail!("{key}: must be at least 1");
            }
        }
        Ok(settings)
    }

    /// The secret that signs tokens: the configured one, else the one in the data folder, made at the first start.
    pub(crate) fn signing_key(&self) -> anyhow::Result<SigningKey> {
        match &self.signing_key {
            Some(secret) => SigningKey::from_bytes(secret.0.as_bytes()).context("signing_key"),
            None => {
                SigningKey::from_file_or_generate(&self.secrets().join("signing-key")).context("signing_key")
            }
        }
    }

    /// What a role that runs alone has to share with the others, and nobody can make up for it: the key that tokens are
    /// signed with, and the blobs.
    ///
    /// # Errors
    /// When one of them is neither configured nor there.
    pub(crate) fn shared(&self) -> anyhow::Result<()> {
        if self.signing_key.is_none() && !self.secrets().join("signing-key").exists() {
            bail!(
                "signing_key: a single role needs the key that the others sign with; set WEIR_SIGNING_KEY, or name their \
                 data folder"
            );
        }
        let folder = self.blob_url.strip_prefix("file://").unwrap_or(&self.blob_url);
        if !folder.contains("://") && !Path::new(folder).is_dir() {
            bail!("blob_url: {folder} is not there; a single role needs the blob store that the others use");
        }
        Ok(())
    }

    /// Folder of generated secrets.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.data_dir.join("secrets")
    }
}

/// A secret that the environment holds.
pub(crate) fn secret_in_environment(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret)
}

/// The language model that is configured, if one is.
///
/// # Errors
/// With the key that is missing or wrong.
fn model(
    name: Option<String>,
    dialect: Option<ModelDialect>,
    url: Option<String>,
    key: Option<&Secret>,
    timeout: Duration,
) -> anyhow::Result<Option<llm::Config>> {
    // A variable that is set to nothing is not set.
    let set = |text: &String| !text.trim().is_empty();
    let (name, url) = (name.filter(set), url.filter(set));
    let Some(model) = name else {
        if url.is_some() || key.is_some() || dialect.is_some() {
            bail!("model_name: is missing; a language model needs one (WEIR_MODEL_NAME)");
        }
        return Ok(None);
    };
    let dialect = dialect.map_or(llm::Dialect::OpenAi, |dialect| dialect.0);
    if url.is_none() && key.is_none() {
        bail!(
            "model_key: is missing; {} wants one (WEIR_MODEL_KEY), or set model_url for a model elsewhere",
            dialect.public_url()
        );
    }
    let key = key.map(|secret| llm::Key::new(&secret.0)).transpose().context("model_key")?;
    let base_url = url.unwrap_or_else(|| dialect.public_url().to_owned());
    let config = llm::Config { dialect, base_url, key, model, timeout };
    config.check().map_err(|e| match e {
        llm::ConfigError::Model => anyhow::anyhow!("model_name: {e}"),
        llm::ConfigError::Address | llm::ConfigError::Secret => anyhow::anyhow!("model_url: {e}"),
    })?;
    Ok(Some(config))
}

fn period(given: Option<Period>, default: Duration) -> Duration {
    given.map_or(default, |period| period.0)
}

fn in_memory(bytes: Option<Bytes>, default: usize, key: &str) -> anyhow::Result<usize> {
    match bytes {
        None => Ok(default),
        Some(Bytes(bytes)) => {
            usize::try_from(bytes).with_context(|| format!("{key}: more than this machine can address"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_defaults() {
        let file =
            file("listen = \"127.0.0.1:1\"\nquery_rows = 7\nquery_time = \"2m\"\nupload_bytes = \"1GiB\"\n");
        let options = Options { query_rows: Some(5), ..Options::default() };
        let settings = Settings::resolve(options, Some(file.path())).unwrap();
        assert_eq!(settings.limits.query_rows, 5);
        assert_eq!(settings.limits.query_time, Duration::from_secs(120));
        assert_eq!(settings.limits.upload_bytes, 1 << 30);
        assert_eq!((settings.listen.address.port(), settings.listen.given), (1, true));
        assert_eq!(settings.limits.query_concurrency, 4);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, key) in [
            ("query_rows = \"many\"", "query_rows"),
            ("query_time = \"30\"", "query_time"),
            ("upload_bytes = \"1 elephant\"", "upload_bytes"),
            ("colour = 1", "colour"),
            ("query_concurrency = 0", "query_concurrency"),
            ("log_format = \"xml\"", "log_format"),
            ("trusted_proxies = \"10.0.0.1, here\"", "trusted_proxies"),
            ("model_url = \"http://127.0.0.1:11434/v1\"", "model_name"),
            ("model_name = \"m\"", "model_key"),
            ("model_name = \"m\"\nmodel_url = \"ollama\"", "model_url"),
            ("model_name = \"m\"\nmodel_dialect = \"latin\"", "model_dialect"),
            ("model_name = \"m\"\nmodel_key = \"x y\"", "model_key"),
            ("model_own_providers = \"perhaps\"", "model_own_providers"),
            ("model_concurrency = 0", "model_concurrency"),
        ] {
            let file = file(text);
            let error = Settings::resolve(Options::default(), Some(file.path())).unwrap_err();
            assert!(format!("{error:#}").contains(key), "{text}: {error:#}");
        }
    }

    #[test]
    fn errors_show_no_secrets() {
        for text in [
            "signing_key = 12345678901234567890",
            "signing_key = \"hunter2 and so on",
            "listen = \"127.0.0.1:1\"\nsigning_key = hunter2",
            "database_url = [\"postgresql://u:hunter2@h/x\"]",
            "nats_url = { user = \"hunter2\" }",
            "signing_key = \"hunter2\"\nsigning_key = \"hunter2\"",
            "model_key = [\"hunter2\"]",
            "model_name = \"m\"\nmodel_key = \"hunter2 and more\"",
            "model_name = \"m\"\nmodel_url = \"https://u:hunter2@h/v1\"",
        ] {
            let file = file(text);
            let error = Settings::resolve(Options::default(), Some(file.path())).unwrap_err();
            let said = format!("{error:#} {error:?}");
            assert!(!said.contains("hunter2") && !said.contains("12345"), "{said}");
            assert!(["signing_key", "_url", "model_key"].iter().any(|key| said.contains(key)), "{said}");
        }
    }

    #[test]
    fn secrets_are_no_flags() {
        use clap::Args;
        let command = Options::augment_args(clap::Command::new("weir"));
        let flags: Vec<_> = command.get_arguments().map(|a| a.get_id().as_str().to_owned()).collect();
        assert!(flags.iter().any(|flag| flag == "listen"));
        assert!(!flags.iter().any(|flag| flag == "signing_key" || flag == "model_key"), "{flags:?}");
    }

    #[test]
    fn a_language_model_is_configured_by_its_name() {
        let model =
            |text: &str| Settings::resolve(Options::default(), Some(file(text).path())).unwrap().model;
        assert!(model("").is_none() && model("model_name = \"\"\nmodel_url = \"\"").is_none());
        let local =
            model("model_name = \"qwen3\"\nmodel_url = \"http://127.0.0.1:11434/v1\"\nmodel_time = \"2m\"");
        let local = local.unwrap();
        assert_eq!((local.model.as_str(), local.timeout), ("qwen3", Duration::from_secs(120)));
        assert!(local.key.is_none());
        let text = "model_name = \"c\"\nmodel_dialect = \"anthropic\"\nmodel_key = \"sk-ant-1234567\"";
        let public = model(text).unwrap();
        assert_eq!(public.base_url, "https://api.anthropic.com");
        assert!(!format!("{public:?}").contains("sk-ant"));
        let own = |text: &str| {
            Settings::resolve(Options::default(), Some(file(text).path())).unwrap().model_own_providers
        };
        assert!(own("") && !own("model_own_providers = false"));
    }

    #[test]
    fn a_single_role_says_what_it_misses() {
        let folder = tempfile::tempdir().unwrap();
        let options = |key: Option<&str>| Options {
            data_dir: Some(folder.path().join("data")),
            signing_key: key.map(|key| Secret(key.to_owned())),
            ..Options::default()
        };
        let missing =
            |options| format!("{:#}", Settings::resolve(options, None).unwrap().shared().unwrap_err());
        assert!(missing(options(None)).starts_with("signing_key: "));
        assert!(missing(options(Some("0123456789abcdef0123456789abcdef"))).starts_with("blob_url: "));
        std::fs::create_dir_all(folder.path().join("data/blobs")).unwrap();
        std::fs::create_dir_all(folder.path().join("data/secrets")).unwrap();
        std::fs::write(folder.path().join("data/secrets/signing-key"), "there").unwrap();
        assert!(Settings::resolve(options(None), None).unwrap().shared().is_ok());
    }

    /// docs/limits.md names every limit with its default, and each default is the code's.
    #[test]
    fn the_limits_are_documented_as_they_are() {
        use clap::Args;
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md")).unwrap();
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .collect();
        let by_default = Settings::resolve(Options::default(), None).unwrap().limits;
        let command = Options::augment_args(clap::Command::new("weir"));
        let mut text = String::new();
        for row in &rows {
            let [_, key, default, gets, _] = row[..] else { panic!("{row:?}") };
            let number = default.bytes().all(|b| b.is_ascii_digit());
            text.push_str(&if number {
                format!("{key} = {default}\n")
            } else {
                format!("{key} = \"{default}\"\n")
            });
            let flag = command.get_arguments().find(|a| a.get_id() == key).unwrap_or_else(|| panic!("{key}"));
            let help = flag.get_help().unwrap().to_string();
            assert!(help.contains(&format!("[default: {default}]")), "{key}: {help}");
            // A status is followed by the code that goes with it.
            let words: Vec<&str> = gets.split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| pair[0].parse::<u16>().is_ok()) {
                let code = pair[1].trim_matches(|c: char| !c.is_ascii_lowercase());
                let known = weir_infra::http::Code::ALL.iter().find(|c| c.as_str() == code);
                let status = known.unwrap_or_else(|| panic!("{key}: there is no code {code}")).status();
                assert_eq!(status.as_str(), pair[0], "{key}: {code}");
            }
        }
        let as_documented = Settings::resolve(Options::default(), Some(file(&text).path())).unwrap().limits;
        assert_eq!(format!("{as_documented:#?}"), format!("{by_default:#?}"));
        let limits = format!("{by_default:#?}");
        for name in limits.lines().filter_map(|line| line.strip_prefix("    ")?.split(':').next()) {
            assert!(rows.iter().any(|row| row[1] == name), "{name} is not in docs/limits.md");
        }
    }

    #[test]
    fn a_short_signing_key_is_refused_by_name() {
        let options = Options { signing_key: Some(Secret("short".to_owned())), ..Options::default() };
        let error = Settings::resolve(options, None).unwrap().signing_key().unwrap_err();
        assert!(format!("{error:#}").starts_with("signing_key"), "{error:#}");
    }

    #[test]
    fn secrets_are_masked() {
        assert_eq!(masked("nats://token@127.0.0.1:4222"), "nats://***@127.0.0.1:4222");
        assert_eq!(masked("postgresql://u:p%40@h:1/db?password=x"), "postgresql://u:***@h:1/db");
        assert_eq!(masked("nats://host:4222"), "nats://host:4222");
        assert_eq!(masked("redis://:p@h:6379/0"), "redis://:***@h:6379/0");
        assert_eq!(masked("nats://u:p@a:1,nats://u:p@b:1"), "nats://u:***@a:1,nats://u:***@b:1");
        assert_eq!(masked("host=x password=y"), "***");
        assert_eq!(format!("{:?}", Secret("x".to_owned())), "***");
    }
}
