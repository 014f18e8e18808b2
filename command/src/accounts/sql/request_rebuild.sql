-- A wish that is there already stays as it is.
INSERT INTO projector.requests AS r (name)
SELECT name FROM read.checkpoint WHERE name = $1
ON CONFLICT (name) DO UPDATE SET at = r.at
RETURNING at
