MERGE INTO contexts c
USING unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::integer[],
    $10::timestamptz[], $11::uuid[], $12::timestamptz[], $13::uuid[], $14::boolean[], $15::timestamptz[], $16::bigint[]
) AS p (
    workspace_id, id, name, version, status, description, datasets, metrics, relationships,
    created_at, created_by, updated_at, updated_by, deletion, deleted_at, position
)
-- Not "=", for which any index that begins with the workspace would do: a plan that is made while a table is empty
-- takes whichever, and walks the whole workspace for each row when it is not.
ON c.id = p.id AND c.workspace_id IS NOT DISTINCT FROM p.workspace_id
WHEN MATCHED THEN UPDATE SET
    name          = coalesce(p.name, c.name),
    version       = coalesce(p.version, c.version),
    status        = coalesce(p.status, c.status),
    description   = coalesce(p.description, c.description),
    datasets      = coalesce(p.datasets::jsonb, c.datasets),
    metrics       = coalesce(p.metrics::jsonb, c.metrics),
    relationships = coalesce(p.relationships, c.relationships),
    updated_at    = p.updated_at,
    updated_by    = p.updated_by,
    deleted_at    = CASE WHEN p.deletion IS NULL THEN c.deleted_at ELSE p.deleted_at END,
    position      = p.position
WHEN NOT MATCHED AND p.name IS NOT NULL THEN
    INSERT (
        workspace_id, id, name, version, status, description, datasets, metrics, relationships,
        created_at, created_by, updated_at, updated_by, deleted_at, position
    )
    VALUES (
        p.workspace_id, p.id, p.name, p.version, p.status, p.description, p.datasets::jsonb, p.metrics::jsonb,
        p.relationships, p.created_at, p.created_by, p.updated_at, p.updated_by, p.deleted_at, p.position
    )
