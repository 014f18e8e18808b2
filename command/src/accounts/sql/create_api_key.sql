-- A key, where there is room for one more; the repetition of a keyed request finds the one that it made.
WITH made AS (
    INSERT INTO accounts.api_keys (id, workspace_id, user_id, name, role, secret_hash, created_at)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE (SELECT count(*) FROM accounts.api_keys WHERE workspace_id = $2 AND deleted_at IS NULL) < $8
    ON CONFLICT (id) DO NOTHING
    RETURNING id, name, role, user_id, created_at
)
SELECT id, name, role, user_id, created_at, false AS deleted FROM made
UNION ALL
SELECT id, name, role, user_id, created_at, deleted_at IS NOT NULL FROM accounts.api_keys
WHERE id = $1 AND workspace_id = $2 AND secret_hash = $6
LIMIT 1
