SELECT id, holder, sealed_key FROM accounts.text_keys WHERE workspace_id = $1 ORDER BY id
