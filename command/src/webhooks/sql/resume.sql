-- What waits is tried at once, and what was given up is tried again; or none of it is.
UPDATE webhooks.deliveries
SET attempts = 0, first_tried_at = NULL, due_at = $2, lease = NULL, lease_until = NULL,
    outcome = CASE WHEN $3 THEN 'skipped' END, settled_at = CASE WHEN $3 THEN $2::timestamptz END
WHERE webhook_id = $1 AND (settled_at IS NULL OR outcome = 'failed')
