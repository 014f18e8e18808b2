-- One row per saved chart, deleted ones included.
CREATE TABLE visualizations (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    description  text,
    sql          text        NOT NULL,
    query_id     uuid        NOT NULL,
    run_id       uuid,
    spec         jsonb       NOT NULL,
    chart        jsonb,
    -- How often it was saved: 1 after the first time.
    revision     integer     NOT NULL,
    created_at   timestamptz NOT NULL,
    created_by   uuid,
    updated_at   timestamptz NOT NULL,
    updated_by   uuid,
    deleted_at   timestamptz,
    position     bigint      NOT NULL,
    -- By the thing first: no other index begins so, and whoever writes finds rows by nothing else.
    PRIMARY KEY (id, workspace_id)
);
CREATE INDEX visualizations_created ON visualizations (workspace_id, created_at DESC, id DESC);
CREATE INDEX visualizations_updated ON visualizations (workspace_id, updated_at DESC, id DESC);
CREATE INDEX visualizations_name ON visualizations (workspace_id, name, id);
CREATE INDEX visualizations_query ON visualizations (workspace_id, query_id, id);
