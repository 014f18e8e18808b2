DELETE FROM accounts.text_keys
WHERE workspace_id = $1 AND ($2::uuid IS NULL OR holder = $2) AND created_at <= $3
