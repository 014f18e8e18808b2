COPY runs (
    workspace_id, run_id, query_id, sql, status, code, detail, rows, bytes,
    truncated, elapsed_ms, cache_tier, result_hash, result_key, datasets, engine, question, model, context, events_to, at,
    actor, user_id, position, stages
) FROM STDIN (FORMAT binary)
