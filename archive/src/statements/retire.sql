UPDATE archive.files SET state = 'gone', since = now() WHERE key = ANY($1::text[]) AND state = 'live'
