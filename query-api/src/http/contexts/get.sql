-- One context with the text of its newest version, also a deleted one.
SELECT c.id, c.name, c.version, c.description, c.datasets, c.metrics, c.relationships, v.text AS content,
       c.created_at, c.created_by, c.updated_at, c.updated_by, c.deleted_at, c.position,
       CASE WHEN c.deleted_at IS NULL THEN c.status ELSE 'deleted' END AS status
FROM contexts c
JOIN context_versions v ON v.workspace_id = $1 AND v.context_id = c.id AND v.version = c.version
WHERE c.workspace_id = $1 AND c.id = $2::uuid
