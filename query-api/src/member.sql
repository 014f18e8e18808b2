-- A membership, null without one, and how far the models are.
SELECT (SELECT m.role FROM members m WHERE m.workspace_id = $1 AND m.user_id = $2) AS role,
       (SELECT coalesce(min(c.position), 0) FROM checkpoint c) AS position
