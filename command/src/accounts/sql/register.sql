INSERT INTO accounts.users (id, email, email_key, name, password_hash, workspace_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
