-- The sums at the top; a workspace in which nothing happened has zeroes.
SELECT coalesce(o.datasets, 0) AS datasets, coalesce(o.total_bytes, 0) AS total_bytes,
       coalesce(o.total_rows, 0) AS total_rows, coalesce(o.queries, 0) AS queries,
       coalesce(o.failed_queries, 0) AS failed_queries, coalesce(o.cache_hits, 0) AS cache_hits,
       coalesce(o.visualizations, 0) AS visualizations, coalesce(o.contexts, 0) AS contexts,
       -- In an order, so that it is found by an index: EXISTS takes the whole table for a large workspace.
       (SELECT true FROM datasets d WHERE d.workspace_id = $1 AND d.deleted_at IS NULL
        ORDER BY d.created_at DESC, d.id DESC LIMIT 1) IS NOT NULL AS any_upload
FROM (SELECT) one
LEFT JOIN overview o ON o.workspace_id = $1
