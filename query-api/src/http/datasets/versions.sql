-- What is known of a dataset's versions: the newest upload, and the one that can be queried.
SELECT d.uploaded_version, d.rejected_version, d.version, d.file_name, d.upload_bytes, d.sha256, d.format,
       d.table_bytes, d.rows, d.columns, d.options, d.reason, d.ingested_at, d.created_at, d.updated_at
FROM datasets d
WHERE d.workspace_id = $1 AND d.id = $2::uuid
