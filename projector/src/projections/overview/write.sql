-- Items first: what each counted for before this batch and what it counts for now. All parts of
-- the statement see the tables as they were before it, so the old values are at hand. The changes
-- are added up per workspace together with the counters, without a join, whose plan would depend
-- on how many there are.
WITH item AS (
    SELECT
        p.workspace_id, p.kind, p.id,
        coalesce(p.made, o.made, false)       AS made,
        coalesce(p.deleted, o.deleted, false) AS deleted,
        -- Those of a file that was read count, of which the batch before may have told.
        coalesce(p.bytes, (o.arrived ->> p.read)::bigint, o.bytes, 0) AS bytes,
        coalesce(o.arrived - ARRAY(SELECT jsonb_array_elements_text(p.settled::jsonb)), '{}') || p.arrived::jsonb
            AS arrived,
        coalesce(p.rows, o.rows, 0)           AS rows,
        coalesce(o.made AND NOT o.deleted, false) AS counted,
        coalesce(o.bytes, 0)                  AS old_bytes,
        coalesce(o.rows, 0)                   AS old_rows
    FROM unnest($6::uuid[], $7::text[], $8::uuid[], $9::boolean[], $10::boolean[], $11::bigint[], $12::bigint[],
        $13::text[], $14::text[], $15::text[])
        AS p (workspace_id, kind, id, made, deleted, bytes, rows, arrived, settled, read)
    LEFT JOIN overview_items o
        ON o.workspace_id = p.workspace_id AND o.kind = p.kind AND o.id = p.id
),
kept AS (
    INSERT INTO overview_items (workspace_id, kind, id, made, deleted, bytes, rows, arrived)
    SELECT workspace_id, kind, id, made, deleted, bytes, rows, arrived FROM item
    ON CONFLICT (workspace_id, kind, id) DO UPDATE SET
        made = excluded.made, deleted = excluded.deleted, bytes = excluded.bytes, rows = excluded.rows,
        arrived = excluded.arrived
),
change AS (
    SELECT
        workspace_id, 0 AS datasets, 0 AS total_bytes, 0 AS total_rows,
        queries, failed_queries, cache_hits, 0 AS visualizations, 0 AS contexts, position
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        AS p (workspace_id, queries, failed_queries, cache_hits, position)
    UNION ALL
    SELECT
        workspace_id,
        CASE WHEN kind = 'dataset' THEN (made AND NOT deleted)::integer - counted::integer ELSE 0 END,
        CASE WHEN made AND NOT deleted THEN bytes ELSE 0 END - CASE WHEN counted THEN old_bytes ELSE 0 END,
        CASE WHEN made AND NOT deleted THEN rows ELSE 0 END - CASE WHEN counted THEN old_rows ELSE 0 END,
        0, 0, 0,
        CASE WHEN kind = 'visualization' THEN (made AND NOT deleted)::integer - counted::integer ELSE 0 END,
        CASE WHEN kind = 'context' THEN (made AND NOT deleted)::integer - counted::integer ELSE 0 END,
        0
    FROM item
)
INSERT INTO overview (
    workspace_id, datasets, total_bytes, total_rows, queries, failed_queries, cache_hits, visualizations,
    contexts, position
)
SELECT
    workspace_id, sum(datasets), sum(total_bytes), sum(total_rows), sum(queries), sum(failed_queries),
    sum(cache_hits), sum(visualizations), sum(contexts), max(position)
FROM change
GROUP BY workspace_id
ON CONFLICT (workspace_id) DO UPDATE SET
    datasets       = overview.datasets + excluded.datasets,
    total_bytes    = overview.total_bytes + excluded.total_bytes,
    total_rows     = overview.total_rows + excluded.total_rows,
    queries        = overview.queries + excluded.queries,
    failed_queries = overview.failed_queries + excluded.failed_queries,
    cache_hits     = overview.cache_hits + excluded.cache_hits,
    visualizations = overview.visualizations + excluded.visualizations,
    contexts       = overview.contexts + excluded.contexts,
    position       = excluded.position
