-- What is searched for words: sealed texts can only be looked at once they are opened.
SELECT id, name, sql AS text
FROM queries
WHERE workspace_id = $1
ORDER BY last_run_at DESC NULLS LAST, id DESC
LIMIT 20000
