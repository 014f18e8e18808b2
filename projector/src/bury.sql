INSERT INTO dead_letters (position, projection, subject, reason, at)
SELECT position, projection, subject, reason, at
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS p (position, projection, subject, reason, at)
ON CONFLICT (position, projection) DO NOTHING
