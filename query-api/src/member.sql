-- A membership, null without one, and how far the models are.
SELECT (SELECT m.role FROM members m
        JOIN workspaces w ON w.workspace_id = $1
        WHERE m.workspace_id = $1 AND m.user_id = $2) AS role, c.position, c.generation
FROM (SELECT coalesce(min(position), 0) AS position,
             ((coalesce(sum(hashtextextended(name || coalesce(tables::text, ''), version)), 0)
               + (SELECT coalesce(sum(hashtextextended(n.oid::text, 0)), 0)
                  FROM pg_namespace n WHERE n.nspname = ANY (current_schemas(false)))) % 9007199254740993)::bigint AS generation
      FROM checkpoint) c
