INSERT INTO archive.files (key, workspace_id, day, first_position, last_position, events, bytes, state)
VALUES ($1, $2, $3, $4, $5, 0, 0, 'writing')
