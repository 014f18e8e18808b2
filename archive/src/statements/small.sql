-- The files below $1 bytes of one workspace's day that has at least $2 of them.
SELECT f.key, f.workspace_id, f.day, f.first_position, f.last_position, f.events, f.bytes
FROM archive.files f
JOIN (
    SELECT workspace_id, day FROM archive.files
    WHERE state = 'live' AND bytes < $1
    GROUP BY workspace_id, day HAVING count(*) >= $2
    LIMIT 1
) d USING (workspace_id, day)
WHERE f.state = 'live' AND f.bytes < $1
ORDER BY f.first_position, f.key
LIMIT 200
