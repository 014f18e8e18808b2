-- One chart, also a deleted one.
SELECT v.id, v.name, v.description, v.sql, v.query_id, v.run_id, v.spec, v.chart, v.revision,
       v.created_at, v.created_by, v.updated_at, v.updated_by, v.deleted_at, v.position,
       CASE WHEN v.deleted_at IS NULL THEN 'active' ELSE 'deleted' END AS status
FROM visualizations v
WHERE v.workspace_id = $1 AND v.id = $2::uuid
