MERGE INTO workspaces w
USING unnest($1::uuid[], $2::text[], $3::uuid[], $4::boolean[], $5::timestamptz[], $6::boolean[],
             $7::bigint[])
    AS p (workspace_id, name, owner, personal, created_at, deleted, position)
ON w.workspace_id = p.workspace_id
WHEN MATCHED AND p.deleted THEN DELETE
WHEN MATCHED THEN UPDATE SET
    name       = coalesce(p.name, w.name),
    owner      = coalesce(p.owner, w.owner),
    personal   = coalesce(p.personal, w.personal),
    created_at = coalesce(p.created_at, w.created_at),
    position   = p.position
WHEN NOT MATCHED AND NOT p.deleted AND p.owner IS NOT NULL THEN
    INSERT (workspace_id, name, owner, personal, created_at, position)
    VALUES (p.workspace_id, p.name, p.owner, p.personal, p.created_at, p.position)
