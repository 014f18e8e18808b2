-- One row per context, deleted ones included, as its newest version has it.
CREATE TABLE contexts (
    workspace_id  uuid        NOT NULL,
    id            uuid        NOT NULL,
    name          text        NOT NULL,
    version       text        NOT NULL,
    -- draft, active or deprecated, as it stands in the file.
    status        text        NOT NULL,
    description   text        NOT NULL,
    -- Ids of the datasets that it spoke of when it was saved, and of its metrics.
    datasets      jsonb       NOT NULL,
    metrics       jsonb       NOT NULL,
    relationships integer     NOT NULL,
    created_at    timestamptz NOT NULL,
    created_by    uuid,
    updated_at    timestamptz NOT NULL,
    updated_by    uuid,
    deleted_at    timestamptz,
    position      bigint      NOT NULL,
    -- By the thing first: no other index begins so, and whoever writes finds rows by nothing else.
    PRIMARY KEY (id, workspace_id)
);
CREATE INDEX contexts_created ON contexts (workspace_id, created_at DESC, id DESC);
CREATE INDEX contexts_updated ON contexts (workspace_id, updated_at DESC, id DESC);
CREATE INDEX contexts_name ON contexts (workspace_id, name, id);

-- Every version that was saved, with its text. They never change.
CREATE TABLE context_versions (
    workspace_id uuid        NOT NULL,
    context_id   uuid        NOT NULL,
    version      text        NOT NULL,
    status       text        NOT NULL,
    text         text        NOT NULL,
    sha256       text        NOT NULL,
    saved_at     timestamptz NOT NULL,
    saved_by     uuid,
    position     bigint      NOT NULL,
    PRIMARY KEY (workspace_id, context_id, version)
);
CREATE INDEX context_versions_position ON context_versions (workspace_id, context_id, position DESC);
