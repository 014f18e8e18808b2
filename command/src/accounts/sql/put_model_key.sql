INSERT INTO accounts.model_keys (user_id, provider, model, sealed_key, updated_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO UPDATE
SET provider = excluded.provider, model = excluded.model, sealed_key = excluded.sealed_key,
    updated_at = excluded.updated_at
