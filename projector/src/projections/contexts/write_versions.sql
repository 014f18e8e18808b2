INSERT INTO context_versions (workspace_id, context_id, version, status, text, sha256, saved_at, saved_by, position)
SELECT workspace_id, context_id, version, status, text, sha256, saved_at, saved_by, position
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::uuid[], $9::bigint[]
) AS p (workspace_id, context_id, version, status, text, sha256, saved_at, saved_by, position)
ON CONFLICT (workspace_id, context_id, version) DO NOTHING
