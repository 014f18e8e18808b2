-- The sums at the top of the dashboard. A workspace has its row from its first event on.
CREATE TABLE overview (
    workspace_id   uuid PRIMARY KEY,
    -- Datasets that can be queried and are not deleted, the bytes of the files that they were read from,
    -- their rows.
    datasets       bigint NOT NULL,
    total_bytes    bigint NOT NULL,
    total_rows     bigint NOT NULL,
    -- All runs; failed_queries and cache_hits are among them.
    queries        bigint NOT NULL,
    failed_queries bigint NOT NULL,
    cache_hits     bigint NOT NULL,
    -- Charts that are not deleted.
    visualizations bigint NOT NULL,
    -- Contexts that are not deleted.
    contexts       bigint NOT NULL,
    -- The last event that is counted in.
    position       bigint NOT NULL
) WITH (fillfactor = 50);

-- What each thing adds to the sums, so that its deletion can take away the same.
CREATE TABLE overview_items (
    workspace_id uuid    NOT NULL,
    kind         text    NOT NULL,
    id           uuid    NOT NULL,
    -- There is something to count (a dataset was read, a chart or context saved) and it is not deleted.
    made         boolean NOT NULL,
    deleted      boolean NOT NULL,
    bytes        bigint  NOT NULL,
    rows         bigint  NOT NULL,
    -- The bytes of files of which it is not known yet whether they can be read, by version.
    arrived      jsonb   NOT NULL,
    PRIMARY KEY (workspace_id, kind, id)
);
