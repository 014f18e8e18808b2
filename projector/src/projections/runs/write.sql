INSERT INTO runs (
    workspace_id, run_id, query_id, sql, status, code, detail, rows, bytes,
    truncated, elapsed_ms, cache_tier, result_hash, result_key, datasets, engine, question, model, context, events_to, at,
    actor, user_id, position, stages
)
SELECT
    workspace_id, run_id, query_id, sql, CASE WHEN failed THEN 'failed' ELSE 'ok' END, code, detail, rows, bytes,
    truncated, elapsed_ms, cache_tier, result_hash, result_key, coalesce(datasets::jsonb, '[]'), engine, question, model,
    context::jsonb, events_to, at, actor, user_id, position, stages::jsonb
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::boolean[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
    $10::boolean[], $11::double precision[], $12::smallint[], $13::text[], $14::text[], $15::text[], $16::text[],
    $17::text[], $18::text[], $19::text[], $20::bigint[], $21::timestamptz[], $22::text[], $23::uuid[], $24::bigint[],
    $25::text[]
) AS p (
    workspace_id, run_id, query_id, sql, failed, code, detail, rows, bytes,
    truncated, elapsed_ms, cache_tier, result_hash, result_key, datasets, engine, question, model,
    context, events_to, at, actor, user_id, position, stages
)
-- In the order of the stream, so that of two facts about one run the first one stands.
ORDER BY position
ON CONFLICT (workspace_id, run_id) DO NOTHING
