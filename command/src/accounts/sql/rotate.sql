-- One refresh token is used up ($1), the next one comes to be ($2). Those of the same login that have
-- expired go: they are refused anyway.
WITH over AS (
    DELETE FROM accounts.refresh_tokens WHERE session_id = $3 AND expires_at < $4
), used AS (
    UPDATE accounts.refresh_tokens SET used_at = $4 WHERE hash = $1
), session AS (
    UPDATE accounts.sessions SET expires_at = $5 WHERE id = $3
)
INSERT INTO accounts.refresh_tokens (hash, session_id, created_at, expires_at) VALUES ($2, $3, $4, $5)
