-- What receivers said about messages may repeat what stood in them.
UPDATE webhooks.deliveries d SET error = 'not kept, since something was erased'
FROM webhooks.hooks h
WHERE h.id = d.webhook_id AND h.workspace_id = $1 AND d.error IS NOT NULL
