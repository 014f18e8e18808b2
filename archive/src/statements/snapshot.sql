SELECT p.position, f.key, f.workspace_id, f.day, f.first_position, f.last_position, f.events, f.bytes
FROM archive.progress p
LEFT JOIN archive.files f ON f.state = 'live'
ORDER BY f.first_position, f.key
