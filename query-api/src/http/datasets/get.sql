-- One dataset, also a deleted one, with how often it was read in the seven days that end with $3.
SELECT d.id, d.name, d.description, d.status, d.version, d.uploaded_version, d.rejected_version, d.format,
       coalesce(v.upload_bytes, d.upload_bytes) AS upload_bytes, d.table_bytes, d.rows, d.columns, d.sheets, d.reason,
       CASE WHEN v.version IS NULL THEN d.file_name ELSE v.file_name END AS file_name, d.created_at, d.created_by,
       d.updated_at, d.last_used_at, d.deleted_at, d.position,
       u.queries AS queries_7d
FROM datasets d
-- The file of the version that is queried: a newer one may have been rejected.
LEFT JOIN dataset_versions v ON v.workspace_id = $1 AND v.dataset_id = d.id AND v.version = d.version
CROSS JOIN LATERAL (
    SELECT coalesce(sum(use.queries), 0)::bigint AS queries
    FROM dataset_use use
    WHERE use.workspace_id = $1 AND use.dataset_id = d.id AND use.day > $3::date - 7 AND use.day <= $3::date
) u
WHERE d.workspace_id = $1 AND d.id = $2::uuid
