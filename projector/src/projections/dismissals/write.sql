MERGE INTO dismissals d
USING unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $6::uuid[], $7::bigint[], $8::boolean[])
    AS p (workspace_id, action, kind, thing, at, user_id, position, dismissed)
ON d.workspace_id = p.workspace_id AND d.action = p.action
WHEN MATCHED AND NOT p.dismissed THEN DELETE
WHEN MATCHED THEN UPDATE SET at = p.at, user_id = p.user_id, position = p.position
WHEN NOT MATCHED AND p.dismissed THEN
    INSERT (workspace_id, action, kind, thing, at, user_id, position)
    VALUES (p.workspace_id, p.action, p.kind, p.thing, p.at, p.user_id, p.position)
