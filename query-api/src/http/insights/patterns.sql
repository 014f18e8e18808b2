-- The patterns that are run most, of those that were ever answered.
SELECT q.id, q.name, q.pattern, q.sql, q.saved_at, q.saved_by, q.runs, q.failures, q.cache_hits,
       q.first_run_at, q.last_run_at, q.position,
       coalesce(l.buckets, '{}') AS buckets, coalesce(l.counts, '{}') AS counts,
       ARRAY(
           SELECT x.action
           FROM dismissals x
           WHERE x.workspace_id = $1 AND x.action IN ('speed_up_query.' || q.id::text, 'save_query.' || q.id::text)
       ) AS dismissed
FROM (
    SELECT *
    FROM queries q
    WHERE q.workspace_id = $1 AND q.runs > q.failures
    ORDER BY q.runs DESC, q.id DESC
    LIMIT $2::bigint
) q
LEFT JOIN query_latency l ON l.workspace_id = $1 AND l.query_id = q.id
ORDER BY q.runs DESC, q.id DESC
