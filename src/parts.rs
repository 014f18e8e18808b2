//! The adapters, constructed: what the roles are made from.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use chrono::Utc;
use weir_archive::{Archive, Archiver};
use weir_command::{
    Directory,
    accounts::{self, Accounts, model_key::ModelKeys},
    app::{Executor, questions::Models},
    process::{
        erase::{self, Eraser},
        ingest,
    },
    webhooks::{self, Dispatcher, Webhooks},
};
use weir_engine::Engine;
use weir_events::EventLog;
use weir_infra::{
    auth::{Authenticator, Memberships, Operators, PostgresApiKeys, Revocations, SigningKey},
    blob::{self, Blobs},
    cache::{self, Shared},
    fetch::{self, Fetcher},
    http::idempotency::{self, ReplyStore},
    llm,
    log::{self, JetStreamLog},
    metrics::{self, prometheus::Registry},
    nats,
    postgres::{self, Pool},
    vault::{SealingLog, Vault},
    webhook,
};
use weir_query_api::{Positions, ReadMemberships};

use crate::{
    lifecycle::Lifecycle,
    past::Past,
    servers::Servers,
    settings::{Settings, masked},
    web::{Guards, Routes},
};

/// Connections of the read side that are made ready before the first request.
const WARM_CONNECTIONS: usize = 4;

/// The schemas of the read models.
fn schemas() -> Vec<String> {
    weir_projector::Schema::live().path(&weir_projector::projections::all())
}

/// Connections to the servers, and what else every role shares.
pub(crate) struct Parts {
    pub(crate) nats: async_nats::Client,
    /// The log as it is, texts sealed: for what folds and stores events.
    sealed_log: Arc<dyn EventLog>,
    /// The same for what reads and writes texts.
    pub(crate) log: Arc<dyn EventLog>,
    vault: Vault,
    pub(crate) pool: Pool,
    pub(crate) blobs: Blobs,
    pub(crate) key: SigningKey,
    pub(crate) registry: Registry,
    database: tokio_postgres::Config,
}

impl Parts {
    /// Connects, and brings stream and database to what this version needs.
    pub(crate) async fn connect(settings: &Settings, servers: &Servers) -> anyhow::Result<Self> {
        let key = settings.signing_key()?;
        let blobs = blob::open(&settings.blob_url)?;
        let registry = metrics::registry();
        let (nats, sealed_log) = event_log(settings, servers, &registry).await?;
        let pool = database(settings, servers).await?;
        let vault = Vault::new(pool.clone(), &key);
        let log: Arc<dyn EventLog> = Arc::new(SealingLog::new(Arc::clone(&sealed_log), vault.clone()));
        weir_projector::ensure(&pool, &weir_projector::projections::all())
            .await
            .context("the read models' tables cannot be made")?;
        let database = servers.database_url.parse().context("database_url")?;
        Ok(Self { nats, sealed_log, log, vault, pool, blobs, key, registry, database })
    }

    /// Watches how far the read models are.
    pub(crate) fn positions(&self, lifecycle: &Lifecycle) -> Positions {
        let (positions, task) = Positions::start(self.database.clone(), &schemas(), lifecycle.inner());
        lifecycle.spawn_inner("the watch on the read models", async move { Ok(task.await?) });
        positions
    }

    /// Who is in which workspace, as the read models have it: for a process without a command side.
    pub(crate) fn read_memberships(&self, positions: Positions) -> Arc<dyn Memberships> {
        Arc::new(ReadMemberships::new(self.pool.clone(), positions, &schemas()))
    }

    /// What stands around every route.
    pub(crate) async fn guards(
        &self,
        memberships: Arc<dyn Memberships>,
        settings: &Settings,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Guards> {
        let options =
            idempotency::Options { replicas: settings.nats_replicas, max_bytes: settings.limits.reply_bytes };
        let replies = ReplyStore::open_with(self.nats.clone(), &self.key, options)
            .await
            .context("the store of answers to repeated requests cannot be opened")?;
        let revocations = Revocations::new();
        revocations
            .refresh(&self.pool, Utc::now())
            .await
            .map_err(|e| anyhow::anyhow!("revoked sessions cannot be read: {e}"))?;
        let (pool, stop) = (self.pool.clone(), lifecycle.inner());
        let fresh = revocations.clone();
        lifecycle.spawn_inner("the watch on revocations", async move {
            fresh.keep_fresh(pool, stop).await;
            Ok(())
        });
        let api_keys = Arc::new(PostgresApiKeys(self.pool.clone()));
        let authenticator = Authenticator::new(&self.key, memberships, api_keys, revocations);
        let operators = Operators::new(self.pool.clone(), settings.owner.as_deref());
        Ok(Guards { authenticator, replies, operators })
    }

    /// The routes of the read side.
    pub(crate) async fn read_routes(
        &self,
        positions: Positions,
        settings: &Settings,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Routes> {
        let past = weir_projector::Past::new(
            Arc::clone(&self.sealed_log),
            self.pool.clone(),
            weir_projector::projections::all(),
            weir_projector::PastOptions {
                kept: settings.limits.past_kept,
                events: settings.limits.past_events,
                wait: settings.limits.past_wait,
                ..weir_projector::PastOptions::default()
            },
        );
        let (kept, stop) = (past.clone(), lifecycle.inner());
        lifecycle.spawn_inner("the care for the past", async move {
            kept.run(stop).await;
            Ok(())
        });
        let (tail, task) =
            weir_query_api::Tail::start(Arc::clone(&self.log), lifecycle.edge(), lifecycle.inner());
        lifecycle.spawn_inner("the tail of the log", async move { Ok(task.await?) });
        let sources = weir_query_api::Sources {
            pool: self.pool.clone(),
            positions,
            blobs: Arc::clone(&self.blobs),
            log: Arc::clone(&self.log),
            vault: self.vault.clone(),
            tail,
            past: Arc::new(Past(past)),
            clock: Utc::now,
        };
        let options = weir_query_api::Options {
            schemas: schemas(),
            cache_bytes: settings.limits.cache_bytes,
            position_wait: settings.limits.position_wait,
            streams: settings.limits.event_streams,
            ..weir_query_api::Options::default()
        };
        let state = weir_query_api::State::new(sources, options, self.registry.clone())?;
        if let Err(error) = state.warm_up(WARM_CONNECTIONS).await {
            tracing::warn!(%error, "the first reads will be slower");
        }
        Ok(Arc::new(move |config| weir_query_api::routes(config, state.clone())))
    }

    /// What commands know of the workspaces: who is in them, and what is called how.
    pub(crate) async fn directory(&self, lifecycle: &Lifecycle) -> anyhow::Result<Directory> {
        let directory = Directory::start(&*self.log).await.context("the event log cannot be read")?;
        let (watched, stop) = (directory.clone(), lifecycle.inner());
        lifecycle.spawn_inner("the directory", async move {
            tokio::select! {
                error = watched.ended() => Err(error.into()),
                () = stop.cancelled() => Ok(()),
            }
        });
        Ok(directory)
    }

    /// The routes of the write side. Its worker reads uploads as a task.
    pub(crate) fn command_routes(
        &self,
        directory: Directory,
        guards: &Guards,
        settings: &Settings,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Routes> {
        let engine =
            Engine::new(Arc::clone(&self.blobs), engine_config(settings)).context("the query engine")?;
        let worker = ingest::Worker::new(
            ingest::Adapters {
                client: self.nats.clone(),
                log: Arc::clone(&self.log),
                blobs: Arc::clone(&self.blobs),
                engine: engine.clone(),
            },
            ingest::Options {
                parallel: settings.limits.ingest_parallel,
                time: settings.limits.ingest_time,
                ..ingest::Options::default()
            },
            &self.registry,
        )?;
        let stop = lifecycle.inner();
        lifecycle.spawn_inner("the ingest worker", async move {
            worker.run(stop).await;
            Ok(())
        });
        let adapters = weir_command::Adapters {
            log: Arc::clone(&self.log),
            blobs: Arc::clone(&self.blobs),
            engine,
            directory: directory.clone(),
            fetcher: Fetcher::new(fetch::Options {
                hosts: settings.import_hosts.clone(),
                time: settings.limits.import_time,
            })?,
            models: self.models(settings)?,
            shared: shared(settings, &self.key, &self.registry)?,
            past: weir_archive::Past::new(Some(self.archive()), Arc::clone(&self.log))
                .with_vault(self.vault.clone()),
        };
        let app = weir_command::App::new(adapters, command_config(settings), &self.registry)?;
        let adapters = erase::Adapters {
            vault: self.vault.clone(),
            blobs: Arc::clone(&self.blobs),
            pool: self.pool.clone(),
            directory: directory.clone(),
        };
        let (eraser, erased) = Eraser::new(adapters, app.clone());
        let stop = lifecycle.inner();
        lifecycle.spawn_inner("the eraser", async move {
            eraser.run(stop).await;
            Ok(())
        });
        let accounts = Accounts::new(
            self.pool.clone(),
            Executor::new(Arc::clone(&self.log)),
            Arc::new(directory.clone()),
            guards.authenticator.clone(),
            erased,
            &self.key,
            accounts_options(settings),
        );
        let hooks = Webhooks::new(
            self.pool.clone(),
            Executor::new(Arc::clone(&self.log)),
            directory,
            webhook::Sender::new(webhook::Options {
                hosts: settings.webhook_hosts.clone(),
                time: settings.limits.webhook_time,
            })?,
            &self.key,
            webhooks::Options {
                most: settings.limits.webhooks,
                waiting: i64::try_from(settings.limits.webhook_waiting).unwrap_or(i64::MAX),
                retry: settings.limits.webhook_retry,
                give_up: settings.limits.webhook_give_up,
            },
        );
        let dispatcher = Dispatcher::new(hooks.clone(), &self.registry)?;
        let stop = lifecycle.inner();
        lifecycle.spawn_inner("the dispatcher of webhooks", async move {
            dispatcher.run(stop).await;
            Ok(())
        });
        Ok(Arc::new(move |config| weir_command::routes(config, app.clone(), accounts.clone(), hooks.clone())))
    }

    /// Language models: the one that is configured, and those that people bring keys for.
    fn models(&self, settings: &Settings) -> anyhow::Result<Models> {
        let keys = ModelKeys::new(self.pool.clone(), &self.key);
        let models = Models::new(llm::Client::new()?, settings.limits.model_time)
            .with_keys(keys, settings.model_own_providers);
        match settings.model.clone() {
            Some(config) => models.with_house(config).context("the language model"),
            None => Ok(models),
        }
    }

    /// The stream's archive.
    fn archive(&self) -> Archive {
        Archive::new(self.pool.clone(), Arc::clone(&self.blobs))
    }

    /// Writes the stream into the archive, as a task.
    pub(crate) fn keep_archive(&self, settings: &Settings, lifecycle: &Lifecycle) {
        let options = weir_archive::Options {
            time: settings.limits.archive_time,
            events: settings.limits.archive_events,
            ..weir_archive::Options::default()
        };
        let archiver = Archiver::new(self.archive(), Arc::clone(&self.sealed_log), options);
        let stop = lifecycle.inner();
        lifecycle.spawn_inner("the archiver", async move {
            archiver.run(stop).await;
            Ok(())
        });
    }

    /// Keeps the read models up to date, as a task.
    pub(crate) fn project(&self, lifecycle: &Lifecycle) -> anyhow::Result<()> {
        let projector = weir_projector::Runtime::new(
            Arc::clone(&self.sealed_log),
            self.pool.clone(),
            weir_projector::projections::all(),
            weir_projector::Options::default(),
        )
        .with_metrics(weir_projector::Metrics::register(&self.registry)?);
        let stop = lifecycle.inner();
        lifecycle.spawn_inner("the projector", async move { Ok(projector.run(stop).await?) });
        Ok(())
    }
}

fn accounts_options(settings: &Settings) -> accounts::Options {
    let (limits, default) = (&settings.limits, accounts::Options::default());
    accounts::Options {
        per_account: accounts::Limit { attempts: limits.login_attempts, ..default.per_account },
        per_address: accounts::Limit { attempts: limits.address_attempts, ..default.per_address },
        api_keys: i64::try_from(limits.api_keys).unwrap_or(i64::MAX),
        ..default
    }
}

fn engine_config(settings: &Settings) -> weir_engine::Config {
    let limits = &settings.limits;
    weir_engine::Config {
        files: weir_engine::ingest::Limits {
            columns: limits.csv_columns,
            cell_bytes: limits.csv_cell_bytes,
            row_bytes: limits.csv_row_bytes,
            unpacked_bytes: limits.unpacked_bytes,
            workbook_bytes: limits.workbook_bytes,
        },
        memory_bytes: settings.limits.engine_memory,
        spill_bytes: settings.limits.engine_spill,
        spill_dir: settings.data_dir.join("spill"),
        ..weir_engine::Config::default()
    }
}

fn command_config(settings: &Settings) -> weir_command::Config {
    let limits = &settings.limits;
    weir_command::Config {
        upload_bytes: limits.upload_bytes,
        concurrent_imports: limits.import_concurrency,
        waiting_files: limits.ingest_waiting,
        concurrent_queries: limits.query_concurrency,
        query_wait: limits.query_wait,
        query_time: limits.query_time,
        query_memory: limits.query_memory,
        default_rows: limits.query_rows.min(limits.query_max_rows),
        max_rows: limits.query_max_rows,
        answer_bytes: limits.query_bytes,
        cache_bytes: limits.result_cache_bytes,
        kept_bytes: limits.kept_result_bytes,
        concurrent_questions: limits.model_concurrency,
        prompt_bytes: limits.model_prompt_bytes,
        model_cache_bytes: limits.model_cache_bytes,
        model_cache_ttl: limits.cache_llm_ttl,
    }
}

/// What processes share, if a server for it is given. It is connected in the background: nothing depends on it.
fn shared(settings: &Settings, key: &SigningKey, registry: &Registry) -> anyhow::Result<Shared> {
    let Some(url) = &settings.redis_url else { return Ok(Shared::off()) };
    let limits = &settings.limits;
    let options = cache::Options {
        prefix: settings.redis_prefix.clone(),
        connect: limits.redis_connect_time,
        wait: limits.redis_wait,
        value_bytes: limits.redis_value_bytes,
        ttls: cache::Ttls { results: limits.cache_result_ttl, llm: limits.cache_llm_ttl },
    };
    let shared = Shared::open(url, key, options, registry)?;
    shared.warm();
    Ok(shared)
}

/// The event log as it is, with its texts sealed, and the connection that it uses.
pub(crate) async fn event_log(
    settings: &Settings,
    servers: &Servers,
    registry: &Registry,
) -> anyhow::Result<(async_nats::Client, Arc<dyn EventLog>)> {
    let (client, log) = jetstream(settings, servers, registry).await?;
    Ok((client, Arc::new(log)))
}

/// The event log with its texts opened.
pub(crate) async fn opened_log(settings: &Settings, servers: &Servers) -> anyhow::Result<Arc<dyn EventLog>> {
    let (_, log) = event_log(settings, servers, &metrics::registry()).await?;
    let pool = postgres::connect(&servers.database_url, settings.database_connections)?;
    Ok(Arc::new(SealingLog::new(log, Vault::new(pool, &settings.signing_key()?))))
}

/// The event log as [`event_log`] gives it, by its own type.
pub(crate) async fn jetstream(
    settings: &Settings,
    servers: &Servers,
    registry: &Registry,
) -> anyhow::Result<(async_nats::Client, JetStreamLog)> {
    let client = nats::connect(&servers.nats_url)
        .await
        .with_context(|| format!("nats_url: {} is not reachable", masked(&servers.nats_url)))?;
    let registry = registry.clone();
    let options = log::Options { replicas: settings.nats_replicas, registry, ..log::Options::default() };
    let log =
        JetStreamLog::connect(client.clone(), options).await.context("the event log cannot be opened")?;
    Ok((client, log))
}

/// The database, migrated.
pub(crate) async fn database(settings: &Settings, servers: &Servers) -> anyhow::Result<Pool> {
    let pool = postgres::connect(&servers.database_url, settings.database_connections)?;
    postgres::migrate(&pool)
        .await
        .with_context(|| format!("database_url: {}", masked(&servers.database_url)))?;
    Ok(pool)
}

/// Whether a file can be written into a folder.
pub(crate) fn writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".weir-doctor-{}", std::process::id()));
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(probe)
}
