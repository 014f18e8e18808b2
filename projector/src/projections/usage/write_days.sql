INSERT INTO usage_days (workspace_id, day, uploads, queries, failed_queries, visualizations, cache_hits)
SELECT workspace_id, day, uploads, queries, failed_queries, visualizations, cache_hits
FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS p (workspace_id, day, uploads, queries, failed_queries, visualizations, cache_hits)
ON CONFLICT (workspace_id, day) DO UPDATE SET
    uploads        = usage_days.uploads + excluded.uploads,
    queries        = usage_days.queries + excluded.queries,
    failed_queries = usage_days.failed_queries + excluded.failed_queries,
    visualizations = usage_days.visualizations + excluded.visualizations,
    cache_hits     = usage_days.cache_hits + excluded.cache_hits
