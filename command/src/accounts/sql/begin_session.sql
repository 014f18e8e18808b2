-- A session with its first refresh token. The person's sessions that are long over go.
WITH over AS (
    DELETE FROM accounts.sessions WHERE user_id = $2 AND expires_at < $4::timestamptz - interval '1 day'
), session AS (
    INSERT INTO accounts.sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $4, $5)
)
INSERT INTO accounts.refresh_tokens (hash, session_id, created_at, expires_at) VALUES ($3, $1, $4, $5)
