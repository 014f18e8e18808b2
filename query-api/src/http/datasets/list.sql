-- Datasets with how often they were read in the seven days that end with $5.
SELECT d.id, d.name, d.description, d.status, d.version, d.uploaded_version, d.rejected_version, d.format,
       coalesce(v.upload_bytes, d.upload_bytes) AS upload_bytes, d.table_bytes, d.rows, d.columns, d.sheets, d.reason,
       CASE WHEN v.version IS NULL THEN d.file_name ELSE v.file_name END AS file_name, d.created_at, d.created_by,
       d.updated_at, d.last_used_at, d.deleted_at, d.position,
       u.queries AS queries_7d,
       {key} AS cursor_key
FROM datasets d
-- The file of the version that is queried: a newer one may have been rejected.
LEFT JOIN dataset_versions v ON v.workspace_id = $1 AND v.dataset_id = d.id AND v.version = d.version
CROSS JOIN LATERAL (
    SELECT coalesce(sum(use.queries), 0)::bigint AS queries
    FROM dataset_use use
    WHERE use.workspace_id = $1 AND use.dataset_id = d.id AND use.day > $5::date - 7 AND use.day <= $5::date
) u
WHERE d.workspace_id = $1
  AND {after}
  AND (d.status = 'deleted') = $6::boolean
  AND ($7::text IS NULL OR d.status = $7::text)
  AND ($8::text IS NULL OR d.name = $8::text)
  AND ($9::uuid[] IS NULL OR d.id = ANY ($9::uuid[]))
  AND ($10::text IS NULL OR d.format = $10::text)
  AND ($11::uuid IS NULL OR d.created_by = $11::uuid)
ORDER BY {order}
LIMIT $4::bigint
