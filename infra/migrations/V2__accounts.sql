-- People, how they prove who they are, and what acts in their name. Secrets are kept as hashes only.

CREATE TABLE accounts.users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    -- The address in the form in which addresses are compared.
    email_key text NOT NULL UNIQUE,
    name text NOT NULL,
    -- Argon2id, in PHC form.
    password_hash text NOT NULL,
    -- The personal workspace. It exists in the event log once its position is here.
    workspace_id uuid NOT NULL UNIQUE,
    workspace_position bigint,
    created_at timestamptz NOT NULL
);

-- A login and everything refreshed from it.
CREATE TABLE accounts.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES accounts.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    -- When its newest refresh token ends.
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_user ON accounts.sessions (user_id, expires_at);
CREATE INDEX sessions_revoked ON accounts.sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- Used tokens stay while their session lives, so that one that comes again is recognised.
CREATE TABLE accounts.refresh_tokens (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    session_id uuid NOT NULL REFERENCES accounts.sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON accounts.refresh_tokens (session_id);

CREATE TABLE accounts.api_keys (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES accounts.users ON DELETE CASCADE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX api_keys_workspace ON accounts.api_keys (workspace_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_deleted ON accounts.api_keys (deleted_at) WHERE deleted_at IS NOT NULL;
