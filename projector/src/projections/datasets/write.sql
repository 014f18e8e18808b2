MERGE INTO datasets d
USING unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::bigint[],
    $9::text[], $10::text[], $11::integer[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::text[],
    $17::timestamptz[], $18::integer[], $19::text[], $20::boolean[], $21::timestamptz[], $22::timestamptz[],
    $23::uuid[], $24::timestamptz[], $25::bigint[], $26::timestamptz[], $27::text[]
) AS p (
    workspace_id, id, name, description, uploaded_version, file_name, upload_key, upload_bytes,
    sha256, options, version, format, table_key, table_bytes, rows, columns,
    ingested_at, rejected_version, reason, deletion, deleted_at, created_at,
    created_by, updated_at, position, last_used_at, sheets
)
-- Not "=", for which any index that begins with the workspace would do: a plan that is made while a table is empty
-- takes whichever, and walks the whole workspace for each row when it is not.
ON d.id = p.id AND d.workspace_id IS NOT DISTINCT FROM p.workspace_id
WHEN MATCHED THEN UPDATE SET
    name             = coalesce(p.name, d.name),
    description      = CASE WHEN p.description IS NULL THEN d.description ELSE nullif(p.description, '') END,
    uploaded_version = coalesce(p.uploaded_version, d.uploaded_version),
    rejected_version = coalesce(p.rejected_version, d.rejected_version),
    version          = coalesce(p.version, d.version),
    file_name        = CASE WHEN p.uploaded_version IS NULL THEN d.file_name ELSE p.file_name END,
    upload_key       = coalesce(p.upload_key, d.upload_key),
    upload_bytes     = coalesce(p.upload_bytes, d.upload_bytes),
    sha256           = coalesce(p.sha256, d.sha256),
    format           = coalesce(p.format, d.format),
    table_key        = coalesce(p.table_key, d.table_key),
    table_bytes      = coalesce(p.table_bytes, d.table_bytes),
    rows             = coalesce(p.rows, d.rows),
    columns          = coalesce(p.columns::jsonb, d.columns),
    -- Those of the version that can be queried: a workbook may be followed by a file without any.
    sheets           = CASE WHEN p.version IS NULL THEN d.sheets ELSE p.sheets::jsonb END,
    ingested_at      = coalesce(p.ingested_at, d.ingested_at),
    options          = coalesce(p.options::jsonb, d.options),
    reason           = CASE WHEN p.reason IS NULL THEN d.reason ELSE nullif(p.reason, '')::jsonb END,
    created_at       = coalesce(p.created_at, d.created_at),
    created_by       = CASE WHEN p.created_at IS NULL THEN d.created_by ELSE p.created_by END,
    updated_at       = coalesce(p.updated_at, d.updated_at),
    last_used_at     = greatest(p.last_used_at, d.last_used_at),
    deleted_at       = CASE WHEN p.deletion IS NULL THEN d.deleted_at ELSE p.deleted_at END,
    position         = coalesce(p.position, d.position)
-- A run may name a dataset that is not there; it does not come to be by that.
WHEN NOT MATCHED AND p.created_at IS NOT NULL THEN
    INSERT (
        workspace_id, id, name, description, uploaded_version, rejected_version, version,
        file_name, upload_key, upload_bytes, sha256,
        format, table_key, table_bytes, rows, columns, ingested_at, options, reason,
        created_at, created_by, updated_at, last_used_at, deleted_at, position, sheets
    )
    VALUES (
        p.workspace_id, p.id, p.name, nullif(p.description, ''), p.uploaded_version, p.rejected_version, p.version,
        p.file_name, p.upload_key, p.upload_bytes, p.sha256,
        p.format, p.table_key, p.table_bytes, p.rows, p.columns::jsonb, p.ingested_at, p.options::jsonb,
        nullif(p.reason, '')::jsonb,
        p.created_at, p.created_by, p.updated_at, p.last_used_at, p.deleted_at, p.position, p.sheets::jsonb
    )
