SELECT n.workspace_id, n.subject_id, n.name
FROM unnest($1::uuid[], $2::uuid[]) AS p (workspace_id, subject_id)
JOIN activity_names n ON n.workspace_id = p.workspace_id AND n.subject_id = p.subject_id
