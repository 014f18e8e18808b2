-- Runs with the name of their query.
SELECT r.run_id, r.query_id, q.name AS query_name, r.sql, r.status, r.code, r.detail, r.rows, r.bytes, r.truncated,
       r.elapsed_ms, r.cache_tier, r.datasets, r.question, r.model, r.context, r.at, r.actor, r.user_id, r.result_key IS NOT NULL AS result_kept,
       r.position,
       {key} AS cursor_key
FROM runs r
LEFT JOIN queries q ON q.workspace_id = $1 AND q.id = r.query_id
WHERE r.workspace_id = $1
  AND {after}
  AND ($5::text IS NULL OR r.status = $5::text)
  AND ($6::uuid IS NULL OR r.query_id = $6::uuid)
  AND ($7::uuid IS NULL OR r.datasets @> jsonb_build_array(jsonb_build_object('id', $7::uuid)))
  AND ($8::uuid IS NULL OR r.user_id = $8::uuid)
  AND ($9::timestamptz IS NULL OR r.at >= $9::timestamptz)
  AND ($10::timestamptz IS NULL OR r.at < $10::timestamptz)
ORDER BY {order}
LIMIT $4::bigint
