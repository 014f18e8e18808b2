-- What was dismissed: all that is about the workspace as a whole, and of the rest the last $2.
SELECT x.action, x.at, x.user_id, coalesce(d.name, q.name) AS name
FROM (
    (SELECT *
     FROM dismissals x
     WHERE x.workspace_id = $1 AND x.action IN ('upload_dataset', 'save_visualization'))
    UNION ALL
    (SELECT *
     FROM dismissals x
     WHERE x.workspace_id = $1 AND x.thing IS NOT NULL
     ORDER BY x.position DESC
     LIMIT $2::bigint)
) x
LEFT JOIN datasets d ON d.workspace_id = $1 AND d.id = x.thing
LEFT JOIN queries q ON q.workspace_id = $1 AND q.id = x.thing
