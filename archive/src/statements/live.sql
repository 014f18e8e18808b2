UPDATE archive.files f SET state = 'live', events = p.events, bytes = p.bytes, since = now()
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS p (key, events, bytes)
WHERE f.key = p.key AND f.state = 'writing'
