-- Once: a later one would take the keys of whoever came back meanwhile.
WITH first AS (
    INSERT INTO accounts.erasures (position, keys_at) VALUES ($3, now())
    ON CONFLICT (position) DO UPDATE SET keys_at = now() WHERE accounts.erasures.keys_at IS NULL
    RETURNING position
), closed AS (
    INSERT INTO accounts.closed_texts (workspace_id, holder)
    SELECT $1, coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid) FROM first
    ON CONFLICT DO NOTHING
)
DELETE FROM accounts.text_keys
WHERE workspace_id = $1 AND ($2::uuid IS NULL OR holder = $2) AND EXISTS (SELECT FROM first)
