-- Query patterns with the times of their answered runs, counted per bucket: only for those that are shown.
SELECT q.id, q.name, q.pattern, q.sql, q.saved_at, q.saved_by, q.runs, q.failures, q.cache_hits,
       q.first_run_at, q.last_run_at, q.position,
       l.buckets, l.counts,
       {key} AS cursor_key
FROM (
    SELECT *
    FROM queries q
    WHERE q.workspace_id = $1
      AND {after}
      AND ($5::boolean IS NULL OR (q.name IS NOT NULL) = $5::boolean)
      AND ($6::text IS NULL OR q.name = $6::text)
      AND ($7::uuid[] IS NULL OR q.id = ANY ($7::uuid[]))
    ORDER BY {order}
    LIMIT $4::bigint
) q
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(t.bucket ORDER BY t.bucket), '{}') AS buckets,
           coalesce(array_agg(t.count ORDER BY t.bucket), '{}') AS counts
    FROM query_latency t
    WHERE t.workspace_id = $1 AND t.query_id = q.id
) l
ORDER BY {order}
