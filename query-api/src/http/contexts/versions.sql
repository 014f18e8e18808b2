-- The versions of the context $5.
SELECT v.version, v.status, v.text AS content, v.sha256, v.saved_at, v.saved_by,
       v.version = c.version AS current,
       {key} AS cursor_key
FROM context_versions v
JOIN contexts c ON c.workspace_id = $1 AND c.id = v.context_id
WHERE v.workspace_id = $1
  AND v.context_id = $5::uuid
  AND {after}
ORDER BY {order}
LIMIT $4::bigint
