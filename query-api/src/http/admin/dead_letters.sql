-- Events that could not be taken in, the first in the log first.
SELECT position, projection, subject, reason, at
FROM dead_letters
WHERE (position, projection) > ($1, $2) AND ($3::text IS NULL OR projection IN ($3, '*'))
ORDER BY position, projection
LIMIT $4
