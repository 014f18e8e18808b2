-- One row per run, with its receipt.
CREATE TABLE runs (
    workspace_id uuid             NOT NULL,
    run_id       uuid             NOT NULL,
    query_id     uuid             NOT NULL,
    sql          text             NOT NULL,
    -- 'ok' or 'failed'; code and detail are those of the failure.
    status       text             NOT NULL,
    code         text,
    detail       text,
    rows         bigint,
    bytes        bigint,
    truncated    boolean,
    elapsed_ms   double precision NOT NULL,
    -- Null when the answer was computed.
    cache_tier   smallint,
    result_hash  text,
    result_key   text,
    -- [{id, name, version}] that were read.
    datasets     jsonb            NOT NULL,
    engine       text,
    -- What a person asked, and the language model that wrote the SQL for it.
    question     text,
    model        text,
    -- {id, name, version} of the context that it was asked in, if it was.
    context      jsonb,
    -- Where the log was that it read, if it read the workspace's past.
    events_to    bigint,
    at           timestamptz      NOT NULL,
    actor        text             NOT NULL,
    user_id      uuid,
    position     bigint           NOT NULL,
    -- {resolve_ms, wait_ms, plan_ms, run_ms, store_ms}: where the time went, where that was measured.
    stages       jsonb,
    -- By the thing first: no other index begins so, and whoever writes finds rows by nothing else.
    PRIMARY KEY (run_id, workspace_id)
);
CREATE INDEX runs_recent ON runs (workspace_id, position DESC);
CREATE INDEX runs_query ON runs (workspace_id, query_id, position DESC);
CREATE INDEX runs_failed ON runs (workspace_id, position DESC) WHERE status = 'failed';
