-- One row per query pattern: run, saved, or both.
CREATE TABLE queries (
    workspace_id uuid   NOT NULL,
    id           uuid   NOT NULL,
    pattern      text   NOT NULL,
    -- The SQL of the newest run, and the SQL that the name stands for.
    last_sql     text,
    saved_sql    text,
    sql          text   NOT NULL GENERATED ALWAYS AS (coalesce(saved_sql, last_sql, pattern)) STORED,
    -- Null for a pattern that nobody saved, or whose saved query was given up.
    name         text,
    saved_at     timestamptz,
    saved_by     uuid,
    -- All runs; those of them that failed; those that a cache answered.
    -- Cache hit rate = cache_hits / (runs - failures).
    runs         bigint NOT NULL,
    failures     bigint NOT NULL,
    cache_hits   bigint NOT NULL,
    first_run_at timestamptz,
    last_run_at  timestamptz,
    -- The last event of the pattern, and the order in which patterns first appeared.
    position     bigint NOT NULL,
    first_position bigint NOT NULL,
    -- By the thing first: no other index begins so, and whoever writes finds rows by nothing else.
    PRIMARY KEY (id, workspace_id)
) WITH (fillfactor = 70);
-- One for each order that lists have; what may be missing is read apart where it is.
CREATE INDEX queries_recent ON queries (workspace_id, last_run_at DESC NULLS LAST, id DESC);
CREATE INDEX queries_first ON queries (workspace_id, first_run_at DESC NULLS LAST, id DESC);
CREATE INDEX queries_saved ON queries (workspace_id, saved_at DESC NULLS LAST, id DESC) WHERE saved_at IS NOT NULL;
CREATE INDEX queries_runs ON queries (workspace_id, runs DESC, id DESC);
CREATE INDEX queries_failures ON queries (workspace_id, failures DESC, id DESC);
CREATE INDEX queries_name ON queries (workspace_id, name DESC NULLS LAST, id DESC) WHERE name IS NOT NULL;

-- How long the answered runs of a pattern took: counts per bucket of weir_infra::latency, in the order of the buckets.
CREATE TABLE query_latency (
    workspace_id uuid       NOT NULL,
    query_id     uuid       NOT NULL,
    buckets      smallint[] NOT NULL,
    counts       bigint[]   NOT NULL,
    PRIMARY KEY (workspace_id, query_id)
) WITH (fillfactor = 70);
