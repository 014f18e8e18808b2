INSERT INTO webhooks.deliveries (id, webhook_id, position, event_id, event_type, subject, due_at)
SELECT p.id, $1, p.position, p.event_id, p.event_type, p.subject, $2
FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[]) AS p (id, position, event_id, event_type, subject)
ON CONFLICT (webhook_id, position) DO NOTHING
