-- Contexts, without their texts.
SELECT c.id, c.name, c.version, c.description, c.datasets, c.metrics, c.relationships, NULL::text AS content,
       c.created_at, c.created_by, c.updated_at, c.updated_by, c.deleted_at, c.position,
       CASE WHEN c.deleted_at IS NULL THEN c.status ELSE 'deleted' END AS status,
       {key} AS cursor_key
FROM contexts c
WHERE c.workspace_id = $1
  AND {after}
  AND ($5::text IS NULL AND c.deleted_at IS NULL
       OR CASE WHEN c.deleted_at IS NULL THEN c.status ELSE 'deleted' END = $5::text)
  AND ($6::text IS NULL OR c.name = $6::text)
  AND ($7::uuid[] IS NULL OR c.id = ANY ($7::uuid[]))
  AND ($8::uuid IS NULL OR c.datasets ? $8::uuid::text)
ORDER BY {order}
LIMIT $4::bigint
