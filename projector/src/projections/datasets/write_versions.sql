MERGE INTO dataset_versions v
USING unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::uuid[], $6::text[], $7::bigint[], $8::text[],
    $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::timestamptz[], $15::text[], $16::integer[],
    $17::jsonb[], $18::text[]
) AS p (
    workspace_id, dataset_id, version, uploaded_at, uploaded_by, file_name, upload_bytes, sha256,
    options, format, table_bytes, rows, columns, ingested_at, diff, restored_from, reason, sheets
)
ON v.workspace_id = p.workspace_id AND v.dataset_id = p.dataset_id AND v.version = p.version
WHEN MATCHED THEN UPDATE SET
    options     = coalesce(p.options::jsonb, v.options),
    format      = coalesce(p.format, v.format),
    table_bytes = coalesce(p.table_bytes, v.table_bytes),
    rows        = coalesce(p.rows, v.rows),
    columns     = coalesce(p.columns::jsonb, v.columns),
    sheets      = coalesce(p.sheets::jsonb, v.sheets),
    ingested_at = coalesce(p.ingested_at, v.ingested_at),
    diff        = coalesce(p.diff::jsonb, v.diff),
    reason      = coalesce(p.reason, v.reason)
WHEN NOT MATCHED AND p.uploaded_at IS NOT NULL THEN
    INSERT (
        workspace_id, dataset_id, version, uploaded_at, uploaded_by, file_name, upload_bytes, sha256,
        options, format, table_bytes, rows, columns, ingested_at, diff, restored_from, reason, sheets
    )
    VALUES (
        p.workspace_id, p.dataset_id, p.version, p.uploaded_at, p.uploaded_by, p.file_name, p.upload_bytes, p.sha256,
        p.options::jsonb, p.format, p.table_bytes, p.rows, p.columns::jsonb, p.ingested_at, p.diff::jsonb,
        p.restored_from, p.reason, p.sheets::jsonb
    )
