INSERT INTO accounts.text_keys (id, workspace_id, holder, sealed_key, created_at)
SELECT $1, $2, $3, $4, $5
WHERE NOT EXISTS (
    SELECT FROM accounts.closed_texts
    WHERE workspace_id = $2 AND holder IN ($3, '00000000-0000-0000-0000-000000000000'::uuid)
)
ON CONFLICT (workspace_id, holder) DO NOTHING
