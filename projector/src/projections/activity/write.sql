-- Both parts see the names as they were before this batch, which is what the rows look up.
WITH named AS (
    INSERT INTO activity_names (workspace_id, subject_id, name)
    SELECT workspace_id, subject_id, name
    FROM unnest($15::uuid[], $16::uuid[], $17::text[]) AS p (workspace_id, subject_id, name)
    ON CONFLICT (workspace_id, subject_id) DO UPDATE SET name = excluded.name
)
INSERT INTO activity (
    workspace_id, position, at, actor, user_id, type, aggregate, subject_id, subject_name, title, detail
)
SELECT
    p.workspace_id, p.position, p.at, p.actor, p.user_id, p.type, p.aggregate, p.subject_id, s.name,
    CASE WHEN s.name IS NULL THEN p.unnamed ELSE p.before || s.name || p.after END,
    p.detail::jsonb
FROM unnest(
    $1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::uuid[],
    $9::text[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::text[]
) AS p (
    workspace_id, position, at, actor, user_id, type, aggregate, subject_id,
    subject_name, lookup, before, after, unnamed, detail
)
LEFT JOIN activity_names n
    ON p.lookup AND n.workspace_id = p.workspace_id AND n.subject_id = p.subject_id
CROSS JOIN LATERAL (SELECT CASE WHEN p.lookup THEN n.name ELSE p.subject_name END) AS s (name)
