-- Query patterns with the times of their answered runs, counted per bucket: only for those that are shown.
SELECT q.id, q.name, q.pattern, q.sql, q.saved_at, q.saved_by, q.runs, q.failures, q.cache_hits,
       q.first_run_at, q.last_run_at, q.position,
       coalesce(l.buckets, '{}') AS buckets, coalesce(l.counts, '{}') AS counts,
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
LEFT JOIN query_latency l ON l.workspace_id = $1 AND l.query_id = q.id
ORDER BY {order}
