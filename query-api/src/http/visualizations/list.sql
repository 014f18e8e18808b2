-- Saved charts.
SELECT v.id, v.name, v.description, v.sql, v.query_id, v.run_id, v.spec, v.chart, v.revision,
       v.created_at, v.created_by, v.updated_at, v.updated_by, v.deleted_at, v.position,
       CASE WHEN v.deleted_at IS NULL THEN 'active' ELSE 'deleted' END AS status,
       {key} AS cursor_key
FROM visualizations v
WHERE v.workspace_id = $1
  AND {after}
  AND (v.deleted_at IS NOT NULL) = $5::boolean
  AND ($6::text IS NULL OR v.name = $6::text)
  AND ($7::uuid[] IS NULL OR v.id = ANY ($7::uuid[]))
  AND ($8::uuid IS NULL OR v.query_id = $8::uuid)
  AND ($9::uuid IS NULL OR v.created_by = $9::uuid)
ORDER BY {order}
LIMIT $4::bigint
