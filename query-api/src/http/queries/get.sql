-- One query pattern.
SELECT q.id, q.name, q.pattern, q.sql, q.saved_at, q.saved_by, q.runs, q.failures, q.cache_hits,
       q.first_run_at, q.last_run_at, q.position,
       coalesce(l.buckets, '{}') AS buckets, coalesce(l.counts, '{}') AS counts
FROM queries q
LEFT JOIN query_latency l ON l.workspace_id = $1 AND l.query_id = q.id
WHERE q.workspace_id = $1 AND q.id = $2::uuid
