-- The datasets that were read most from $2 to $3, with their share of all reading.
SELECT d.id, d.name, d.status, d.rows, d.last_used_at, u.queries,
       sum(u.queries) OVER ()::bigint AS all_queries
FROM (
    SELECT use.dataset_id, sum(use.queries)::bigint AS queries
    FROM dataset_use use
    WHERE use.workspace_id = $1 AND use.day BETWEEN $2::date AND $3::date
    GROUP BY use.dataset_id
) u
JOIN datasets d ON d.workspace_id = $1 AND d.id = u.dataset_id AND d.deleted_at IS NULL
ORDER BY u.queries DESC, d.name, d.id
LIMIT $4::bigint
