INSERT INTO usage_users (workspace_id, day, user_id)
SELECT workspace_id, day, user_id
FROM unnest($1::uuid[], $2::date[], $3::uuid[]) AS p (workspace_id, day, user_id)
ON CONFLICT (workspace_id, day, user_id) DO NOTHING
