-- Keys that people brought for language models. Sealed: neither this table nor a backup of it shows one.
CREATE TABLE accounts.model_keys (
    user_id uuid PRIMARY KEY REFERENCES accounts.users ON DELETE CASCADE,
    provider text NOT NULL CHECK (provider IN ('installation', 'openai', 'anthropic')),
    -- Null for the installation's model.
    model text,
    -- Nonce and XChaCha20-Poly1305, bound to user_id.
    sealed_key bytea NOT NULL,
    updated_at timestamptz NOT NULL
);
