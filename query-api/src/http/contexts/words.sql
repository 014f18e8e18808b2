-- What is searched for words: sealed texts can only be looked at once they are opened.
SELECT id, name, description AS text
FROM contexts
WHERE workspace_id = $1
