-- One row per dataset, deleted ones included.
CREATE TABLE datasets (
    workspace_id     uuid        NOT NULL,
    id               uuid        NOT NULL,
    name             text        NOT NULL,
    description      text,
    -- The newest version that arrived, that was rejected, and that can be queried.
    uploaded_version integer     NOT NULL,
    rejected_version integer,
    version          integer,
    -- What the newest upload was.
    file_name        text,
    upload_key       text        NOT NULL,
    upload_bytes     bigint      NOT NULL,
    sha256           text        NOT NULL,
    -- Of the version that can be queried; null until there is one.
    format           text,
    table_key        text,
    table_bytes      bigint,
    rows             bigint,
    columns          jsonb,
    -- [{name, rows, columns}] of a workbook; null for other files.
    sheets           jsonb,
    ingested_at      timestamptz,
    -- How the file was, or is to be, read.
    options          jsonb       NOT NULL,
    -- {code, detail, row, column, found} of the newest rejection, until a later version is read.
    reason           jsonb,
    created_at       timestamptz NOT NULL,
    created_by       uuid,
    updated_at       timestamptz NOT NULL,
    last_used_at     timestamptz,
    deleted_at       timestamptz,
    -- The last event of the dataset itself; runs that read it do not count.
    position         bigint      NOT NULL,
    -- A dataset whose newer version was rejected is still ready with its older one.
    status           text        NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN deleted_at IS NOT NULL THEN 'deleted'
            WHEN uploaded_version > greatest(coalesce(version, 0), coalesce(rejected_version, 0)) THEN 'ingesting'
            WHEN version IS NOT NULL THEN 'ready'
            ELSE 'rejected'
        END
    ) STORED,
    -- By the thing first: no other index begins so, and whoever writes finds rows by nothing else.
    PRIMARY KEY (id, workspace_id)
) WITH (fillfactor = 80);
CREATE INDEX datasets_created ON datasets (workspace_id, created_at DESC, id DESC);
CREATE INDEX datasets_updated ON datasets (workspace_id, updated_at DESC, id DESC);
CREATE INDEX datasets_name ON datasets (workspace_id, name, id);
CREATE INDEX datasets_bytes ON datasets (workspace_id, upload_bytes DESC, id DESC);
CREATE INDEX datasets_rows ON datasets (workspace_id, rows DESC NULLS LAST, id DESC) WHERE rows IS NOT NULL;
CREATE INDEX datasets_used ON datasets (workspace_id, last_used_at DESC NULLS LAST, id DESC) WHERE last_used_at IS NOT NULL;
CREATE INDEX datasets_rejected ON datasets (workspace_id, updated_at DESC, id DESC)
    WHERE reason IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX datasets_status ON datasets (workspace_id, status, created_at DESC, id DESC);

-- How many runs read a dataset on a day (UTC).
CREATE TABLE dataset_use (
    workspace_id uuid   NOT NULL,
    dataset_id   uuid   NOT NULL,
    day          date   NOT NULL,
    queries      bigint NOT NULL,
    PRIMARY KEY (workspace_id, dataset_id, day)
) WITH (fillfactor = 80);
-- The most used datasets of the last days.
CREATE INDEX dataset_use_day ON dataset_use (workspace_id, day, dataset_id);

-- One row per file that arrived for a dataset, and what became of it. Rows are never changed by later versions.
CREATE TABLE dataset_versions (
    workspace_id uuid        NOT NULL,
    dataset_id   uuid        NOT NULL,
    version      integer     NOT NULL,
    uploaded_at  timestamptz NOT NULL,
    uploaded_by  uuid,
    file_name    text,
    upload_bytes bigint      NOT NULL,
    sha256       text        NOT NULL,
    -- How the file was, or is to be, read.
    options      jsonb       NOT NULL,
    -- What it became; null until it was read.
    format       text,
    table_bytes  bigint,
    rows         bigint,
    columns      jsonb,
    sheets       jsonb,
    ingested_at  timestamptz,
    -- {from, added, removed, retyped, rows} against the version before; null for the first.
    diff         jsonb,
    -- The version that this one is the same as, where it was taken back to that.
    restored_from integer,
    -- {version, code, detail, row, column, found} where it could not be read.
    reason       jsonb,
    PRIMARY KEY (workspace_id, dataset_id, version)
) WITH (fillfactor = 80);
