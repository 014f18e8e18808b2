-- Those of these runs that are there already.
SELECT r.workspace_id, r.run_id
FROM unnest($1::uuid[], $2::uuid[]) AS p (workspace_id, run_id)
JOIN runs r ON r.workspace_id = p.workspace_id AND r.run_id = p.run_id
