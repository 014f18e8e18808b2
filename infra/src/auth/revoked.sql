-- What ended since a time, of both kinds.
SELECT true, id, revoked_at FROM accounts.sessions WHERE revoked_at >= $1
UNION ALL
SELECT false, id, deleted_at FROM accounts.api_keys WHERE deleted_at >= $1
