MERGE INTO queries q
USING unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[], $8::timestamptz[],
    $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[], $13::timestamptz[], $14::timestamptz[],
    $15::bigint[], $16::bigint[]
) AS p (
    workspace_id, id, pattern, last_sql, saving, name, saved_sql, saved_at,
    saved_by, runs, failures, cache_hits, first_run_at, last_run_at,
    position, first_position
)
-- Not "=", for which any index that begins with the workspace would do: a plan that is made while a table is empty
-- takes whichever, and walks the whole workspace for each row when it is not.
ON q.id = p.id AND q.workspace_id IS NOT DISTINCT FROM p.workspace_id
WHEN MATCHED THEN UPDATE SET
    last_sql     = coalesce(p.last_sql, q.last_sql),
    name         = CASE
        WHEN p.saving THEN p.name
        WHEN NOT p.saving THEN NULL
        WHEN q.name IS NOT NULL THEN coalesce(p.name, q.name)
    END,
    saved_sql    = CASE WHEN p.saving IS NULL THEN q.saved_sql ELSE p.saved_sql END,
    saved_at     = CASE WHEN p.saving IS NULL THEN q.saved_at ELSE p.saved_at END,
    saved_by     = CASE WHEN p.saving IS NULL THEN q.saved_by ELSE p.saved_by END,
    runs         = q.runs + p.runs,
    failures     = q.failures + p.failures,
    cache_hits   = q.cache_hits + p.cache_hits,
    first_run_at = least(q.first_run_at, p.first_run_at),
    last_run_at  = greatest(q.last_run_at, p.last_run_at),
    position     = p.position
WHEN NOT MATCHED AND p.pattern IS NOT NULL THEN
    INSERT (
        workspace_id, id, pattern, last_sql, saved_sql, name, saved_at, saved_by,
        runs, failures, cache_hits, first_run_at, last_run_at, position, first_position
    )
    VALUES (
        p.workspace_id, p.id, p.pattern, p.last_sql, p.saved_sql,
        CASE WHEN p.saving THEN p.name END, p.saved_at, p.saved_by,
        p.runs, p.failures, p.cache_hits, p.first_run_at, p.last_run_at, p.position, p.first_position
    )
