MERGE INTO members m
USING unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::boolean[], $6::bigint[])
    AS p (workspace_id, user_id, role, since, removed, position)
ON m.workspace_id = p.workspace_id AND m.user_id = p.user_id
WHEN MATCHED AND p.removed THEN DELETE
WHEN MATCHED THEN UPDATE SET
    role     = coalesce(p.role, m.role),
    since    = coalesce(p.since, m.since),
    position = p.position
-- A role change for someone who never joined has no beginning.
WHEN NOT MATCHED AND NOT p.removed AND p.since IS NOT NULL THEN
    INSERT (workspace_id, user_id, role, since, position)
    VALUES (p.workspace_id, p.user_id, p.role, p.since, p.position)
