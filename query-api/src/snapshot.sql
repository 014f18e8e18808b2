-- How far the models are, and the last event that changed anything of one workspace.
SELECT c.position, c.generation,
       greatest(
           (SELECT o.position FROM overview o WHERE o.workspace_id = $1),
           (SELECT max(a.position) FROM activity a WHERE a.workspace_id = $1),
           0
       ) AS workspace
FROM (SELECT coalesce(min(position), 0) AS position,
             ((coalesce(sum(hashtextextended(name || coalesce(tables::text, ''), version)), 0)
               + (SELECT coalesce(sum(hashtextextended(n.oid::text, 0)), 0)
                  FROM pg_namespace n WHERE n.nspname = ANY (current_schemas(false)))) % 9007199254740993)::bigint AS generation
      FROM checkpoint) c
