-- One run with its receipt.
SELECT r.run_id, r.query_id, q.name AS query_name, q.pattern, r.sql, r.status, r.code, r.detail, r.rows, r.bytes,
       r.truncated, r.elapsed_ms, r.cache_tier, r.result_hash, r.result_key, r.datasets, r.engine, r.events_to, r.stages, r.question, r.model, r.context, r.at, r.actor,
       r.user_id, r.result_key IS NOT NULL AS result_kept, r.position
FROM runs r
LEFT JOIN queries q ON q.workspace_id = $1 AND q.id = r.query_id
WHERE r.workspace_id = $1 AND r.run_id = $2::uuid
