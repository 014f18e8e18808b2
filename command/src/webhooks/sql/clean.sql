-- What is settled and old, or not among the newest.
DELETE FROM webhooks.deliveries d
WHERE d.settled_at IS NOT NULL
  AND (d.settled_at < $1
       OR d.position < (SELECT n.position FROM webhooks.deliveries n
                        WHERE n.webhook_id = d.webhook_id AND n.settled_at IS NOT NULL
                        ORDER BY n.position DESC OFFSET $2 LIMIT 1))
