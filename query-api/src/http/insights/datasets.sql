-- Datasets that want attention: rejected, never read, or not read since before $2. Not those of which nobody wants to
-- hear that, nor those that were uploaded anew under the same name and could be read then.
(SELECT 'rejected' AS why, d.id, d.name, d.rows, d.upload_bytes, d.created_at, d.last_used_at, d.reason, d.file_name,
        d.rejected_version
 FROM datasets d
 WHERE d.workspace_id = $1 AND d.deleted_at IS NULL AND d.reason IS NOT NULL AND d.status <> 'ingesting'
    AND NOT EXISTS (
        SELECT FROM datasets later
        WHERE later.workspace_id = $1 AND later.name = d.name AND later.version IS NOT NULL
            AND later.deleted_at IS NULL AND d.version IS NULL AND later.created_at > d.created_at
    )
    AND NOT EXISTS (
        SELECT FROM dismissals x
        WHERE x.workspace_id = $1 AND x.action = 'fix_upload.' || d.id::text || '.' || d.rejected_version::text
    )
 ORDER BY d.updated_at DESC, d.id DESC
 LIMIT $3::bigint)
UNION ALL
(SELECT 'unread' AS why, d.id, d.name, d.rows, d.upload_bytes, d.created_at, d.last_used_at, d.reason, d.file_name,
        d.rejected_version
 FROM datasets d
 WHERE d.workspace_id = $1 AND d.status = 'ready' AND d.last_used_at IS NULL
    AND NOT EXISTS (
        SELECT FROM dismissals x WHERE x.workspace_id = $1 AND x.action = 'query_dataset.' || d.id::text
    )
 ORDER BY d.created_at, d.id
 LIMIT $3::bigint)
UNION ALL
(SELECT 'unused' AS why, d.id, d.name, d.rows, d.upload_bytes, d.created_at, d.last_used_at, d.reason, d.file_name,
        d.rejected_version
 FROM datasets d
 WHERE d.workspace_id = $1 AND d.status = 'ready' AND d.last_used_at < $2::timestamptz
    AND NOT EXISTS (
        SELECT FROM dismissals x WHERE x.workspace_id = $1 AND x.action = 'review_dataset.' || d.id::text
    )
 ORDER BY d.last_used_at NULLS FIRST, d.id
 LIMIT $3::bigint)
