-- How far each projection is, and what is going on with it.
SELECT c.name, c.version, c.position, c.updated_at,
       (SELECT count(*) FROM dead_letters d WHERE d.projection IN (c.name, '*')) AS dead_letters,
       r.at AS requested_at
FROM checkpoint c
LEFT JOIN projector.requests r USING (name)
ORDER BY c.name
