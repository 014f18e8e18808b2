SELECT id, holder, sealed_key FROM accounts.text_keys WHERE workspace_id = $1
UNION ALL
SELECT NULL, holder, NULL FROM accounts.closed_texts WHERE workspace_id = $1
ORDER BY id
