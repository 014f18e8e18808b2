INSERT INTO accounts.text_keys (id, workspace_id, holder, sealed_key, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (workspace_id, holder) DO NOTHING
