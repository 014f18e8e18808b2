-- The patterns that fail most: at least $2 failures, and at least half of the runs. Not those that
-- nobody wants to hear of, nor what could not be parsed, which is nothing that one could mend.
SELECT q.id, q.name, q.sql, q.runs, q.failures, q.last_run_at, f.code, f.detail
FROM (
    SELECT *
    FROM queries q
    WHERE q.workspace_id = $1 AND q.failures >= $2::bigint AND q.failures * 2 >= q.runs
        AND q.id <> '00000000-0000-0000-0000-000000000000'
        AND NOT EXISTS (
            SELECT FROM dismissals x WHERE x.workspace_id = $1 AND x.action = 'fix_query.' || q.id::text
        )
    ORDER BY q.failures DESC, q.id DESC
    LIMIT $3::bigint
) q
CROSS JOIN LATERAL (
    SELECT r.code, r.detail
    FROM runs r
    WHERE r.workspace_id = $1 AND r.query_id = q.id AND r.status = 'failed'
    ORDER BY r.position DESC
    LIMIT 1
) f
ORDER BY q.failures DESC, q.id DESC
