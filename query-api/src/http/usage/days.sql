-- What a workspace did on each day from $2 to $3, days without anything included.
SELECT c.day, coalesce(d.uploads, 0) AS uploads, coalesce(d.queries, 0) AS queries,
       coalesce(d.failed_queries, 0) AS failed_queries, coalesce(d.visualizations, 0) AS visualizations,
       coalesce(d.cache_hits, 0) AS cache_hits,
       (SELECT count(*) FROM usage_users u WHERE u.workspace_id = $1 AND u.day = c.day) AS active_users,
       coalesce(d.buckets, '{}') AS buckets, coalesce(d.counts, '{}') AS counts
FROM (SELECT $2::date + n AS day FROM generate_series(0, $3::date - $2::date) n) c
LEFT JOIN usage_days d ON d.workspace_id = $1 AND d.day = c.day
ORDER BY c.day
