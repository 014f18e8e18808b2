INSERT INTO activity_names (workspace_id, subject_id, name)
SELECT workspace_id, subject_id, name
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS p (workspace_id, subject_id, name)
ON CONFLICT (workspace_id, subject_id) DO UPDATE SET name = excluded.name
