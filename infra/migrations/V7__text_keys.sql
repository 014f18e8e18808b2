-- The keys that free text in events is sealed under: one of each workspace, and one of each member there. Whoever
-- deletes a row has erased what it sealed, wherever that is kept.
CREATE TABLE accounts.text_keys (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    -- The member; the nil id for the workspace's own.
    holder uuid NOT NULL,
    -- Nonce and XChaCha20-Poly1305 under the installation's secret, bound to the three above.
    sealed_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (workspace_id, holder)
);

-- Events that ask for an erasure, by position, and that it was carried out.
CREATE TABLE accounts.erasures (
    position bigint PRIMARY KEY,
    done_at timestamptz NOT NULL
);
