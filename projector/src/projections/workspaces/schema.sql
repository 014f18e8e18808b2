-- The tenants. A row goes away when the workspace is deleted.
CREATE TABLE workspaces (
    workspace_id uuid PRIMARY KEY,
    name         text        NOT NULL,
    owner        uuid        NOT NULL,
    personal     boolean     NOT NULL,
    created_at   timestamptz NOT NULL,
    -- The last event that changed this row.
    position     bigint      NOT NULL
);
CREATE INDEX workspaces_owner ON workspaces (owner);
