MERGE INTO visualizations v
USING unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::text[],
    $10::integer[], $11::timestamptz[], $12::uuid[], $13::timestamptz[], $14::uuid[], $15::boolean[],
    $16::timestamptz[], $17::bigint[]
) AS p (
    workspace_id, id, name, description, sql, query_id, run_id, spec, chart,
    saves, saved_at, saved_by, updated_at, updated_by, deletion,
    deleted_at, position
)
-- Not "=", for which any index that begins with the workspace would do: a plan that is made while a table is empty
-- takes whichever, and walks the whole workspace for each row when it is not.
ON v.id = p.id AND v.workspace_id IS NOT DISTINCT FROM p.workspace_id
WHEN MATCHED THEN UPDATE SET
    name        = coalesce(p.name, v.name),
    description = CASE WHEN p.description IS NULL THEN v.description ELSE nullif(p.description, '') END,
    sql         = coalesce(p.sql, v.sql),
    query_id    = coalesce(p.query_id, v.query_id),
    run_id      = CASE WHEN p.spec IS NULL THEN v.run_id ELSE p.run_id END,
    spec        = coalesce(p.spec::jsonb, v.spec),
    chart       = CASE WHEN p.spec IS NULL THEN v.chart ELSE p.chart::jsonb END,
    revision    = v.revision + p.saves,
    updated_at  = p.updated_at,
    updated_by  = p.updated_by,
    deleted_at  = CASE WHEN p.deletion IS NULL THEN v.deleted_at ELSE p.deleted_at END,
    position    = p.position
WHEN NOT MATCHED AND p.spec IS NOT NULL THEN
    INSERT (
        workspace_id, id, name, description, sql, query_id, run_id, spec, chart, revision,
        created_at, created_by, updated_at, updated_by, deleted_at, position
    )
    VALUES (
        p.workspace_id, p.id, p.name, nullif(p.description, ''), p.sql, p.query_id, p.run_id, p.spec::jsonb,
        p.chart::jsonb, p.saves,
        p.saved_at, p.saved_by, p.updated_at, p.updated_by, p.deleted_at, p.position
    )
