-- What a workspace did on a day (UTC). Days without anything have no row.
CREATE TABLE usage_days (
    workspace_id   uuid       NOT NULL,
    day            date       NOT NULL,
    uploads        bigint     NOT NULL,
    -- All runs; failed_queries and cache_hits are among them.
    queries        bigint     NOT NULL,
    failed_queries bigint     NOT NULL,
    visualizations bigint     NOT NULL,
    cache_hits     bigint     NOT NULL,
    -- How long the answered runs took: counts per bucket of weir_infra::latency, in the order of the buckets.
    buckets        smallint[] NOT NULL,
    counts         bigint[]   NOT NULL,
    PRIMARY KEY (workspace_id, day)
) WITH (fillfactor = 70);

-- Who did anything on a day; active_users is the number of rows.
CREATE TABLE usage_users (
    workspace_id uuid NOT NULL,
    day          date NOT NULL,
    user_id      uuid NOT NULL,
    PRIMARY KEY (workspace_id, day, user_id)
);
