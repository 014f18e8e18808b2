-- When the next delivery of webhooks $1 can be tried.
SELECT min(greatest(d.due_at, d.lease_until)) AS at
FROM webhooks.deliveries d
WHERE d.webhook_id = ANY ($1)
  AND d.settled_at IS NULL
  AND NOT EXISTS (SELECT FROM webhooks.deliveries older
                  WHERE older.webhook_id = d.webhook_id AND older.subject = d.subject
                    AND older.settled_at IS NULL AND older.position < d.position)
