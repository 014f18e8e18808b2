-- Who writes a schema, and how it fares.
SELECT r.process, r.since, p.at AS seen_at, p.at > clock_timestamp() - interval '3 seconds' AS alive,
       p.events_per_second, p.error, p.error_at
FROM projector.runner r
LEFT JOIN projector.pulse p USING (schema)
WHERE r.schema = $1
