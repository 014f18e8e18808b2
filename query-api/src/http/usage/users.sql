-- How many people did anything from $2 to $3.
SELECT count(DISTINCT u.user_id) AS active_users
FROM usage_users u
WHERE u.workspace_id = $1 AND u.day BETWEEN $2::date AND $3::date
