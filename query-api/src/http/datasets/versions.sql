-- The versions of the dataset $5.
SELECT v.version, v.uploaded_at, v.uploaded_by, v.file_name, v.upload_bytes, v.sha256, v.options, v.format,
       v.table_bytes, v.rows, v.columns, v.sheets, v.ingested_at, v.diff, v.restored_from,
       v.reason,
       CASE WHEN v.ingested_at IS NOT NULL THEN 'ready' WHEN v.reason IS NOT NULL THEN 'rejected' ELSE 'ingesting' END
           AS status,
       v.version IS NOT DISTINCT FROM d.version AS current,
       {key} AS cursor_key
FROM dataset_versions v
JOIN datasets d ON d.workspace_id = $1 AND d.id = v.dataset_id
WHERE v.workspace_id = $1
  AND v.dataset_id = $5::uuid
  AND {after}
ORDER BY {order}
LIMIT $4::bigint
