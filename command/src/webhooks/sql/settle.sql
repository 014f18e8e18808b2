UPDATE webhooks.deliveries
SET outcome = $3, settled_at = CASE WHEN $3::text IS NULL THEN NULL ELSE $4::timestamptz END,
    due_at = coalesce($5, due_at), response_status = $6, response_ms = $7, error = $8, lease = NULL, lease_until = NULL
WHERE id = $1 AND lease = $2
