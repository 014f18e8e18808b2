-- The next deliveries of webhooks $1 that may be tried at $2: of each thing the oldest, of each webhook few at a time.
WITH next AS (
    SELECT d.id
    FROM unnest($1::uuid[]) AS hook (id)
    CROSS JOIN LATERAL (
        SELECT d.id
        FROM webhooks.deliveries d
        WHERE d.webhook_id = hook.id
          AND d.settled_at IS NULL
          AND d.due_at <= $2
          AND (d.lease_until IS NULL OR d.lease_until <= $2)
          AND NOT EXISTS (SELECT FROM webhooks.deliveries older
                          WHERE older.webhook_id = d.webhook_id AND older.subject = d.subject
                            AND older.settled_at IS NULL AND older.position < d.position)
        ORDER BY d.position
        LIMIT greatest(0, $5::bigint - (SELECT count(*) FROM webhooks.deliveries busy
                                        WHERE busy.webhook_id = hook.id AND busy.settled_at IS NULL
                                          AND busy.lease_until > $2))
        FOR UPDATE SKIP LOCKED
    ) d
    LIMIT $6::bigint
)
UPDATE webhooks.deliveries d
SET lease = $3, lease_until = $4, attempts = d.attempts + 1,
    first_tried_at = coalesce(d.first_tried_at, $2), last_tried_at = $2
FROM next, webhooks.hooks h
WHERE d.id = next.id AND h.id = d.webhook_id
RETURNING d.id, d.webhook_id, h.workspace_id, d.position, d.attempts, d.first_tried_at,
          h.sealed_address, h.sealed_secret, CASE WHEN h.old_until > $2 THEN h.sealed_old_secret END AS sealed_old_secret
