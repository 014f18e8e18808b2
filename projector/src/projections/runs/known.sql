-- Those of these runs that are there already. Not "=" for the workspace: see the statements that write by id.
SELECT r.workspace_id, r.run_id
FROM unnest($1::uuid[], $2::uuid[]) AS p (workspace_id, run_id)
JOIN runs r ON r.run_id = p.run_id AND r.workspace_id IS NOT DISTINCT FROM p.workspace_id
