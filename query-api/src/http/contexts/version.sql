-- The text of one version of a context; of the newest where none is named.
SELECT c.name, v.version, v.text
FROM contexts c
JOIN context_versions v
    ON v.workspace_id = $1 AND v.context_id = c.id AND v.version = coalesce($3::text, c.version)
WHERE c.workspace_id = $1 AND c.id = $2::uuid
