-- Who may do what where. A row goes away when the membership ends.
CREATE TABLE members (
    workspace_id uuid        NOT NULL,
    user_id      uuid        NOT NULL,
    role         text        NOT NULL,
    since        timestamptz NOT NULL,
    position     bigint      NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);
-- A person's workspaces.
CREATE INDEX members_user ON members (user_id, workspace_id);
