INSERT INTO usage_days (
    workspace_id, day, uploads, queries, failed_queries, visualizations, cache_hits, buckets, counts
)
SELECT
    workspace_id, day, uploads, queries, failed_queries, visualizations, cache_hits, buckets::smallint[], counts::bigint[]
FROM unnest(
    $1::uuid[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[]
) AS p (workspace_id, day, uploads, queries, failed_queries, visualizations, cache_hits, buckets, counts)
ON CONFLICT (workspace_id, day) DO UPDATE SET
    uploads        = usage_days.uploads + excluded.uploads,
    queries        = usage_days.queries + excluded.queries,
    failed_queries = usage_days.failed_queries + excluded.failed_queries,
    visualizations = usage_days.visualizations + excluded.visualizations,
    cache_hits     = usage_days.cache_hits + excluded.cache_hits,
    (buckets, counts) = (
        SELECT coalesce(array_agg(bucket ORDER BY bucket), '{}'), coalesce(array_agg(count ORDER BY bucket), '{}')
        FROM (
            SELECT bucket, sum(count)::bigint AS count
            FROM (
                SELECT * FROM unnest(usage_days.buckets, usage_days.counts) AS before (bucket, count)
                UNION ALL
                SELECT * FROM unnest(excluded.buckets, excluded.counts) AS added (bucket, count)
            ) AS each
            GROUP BY bucket
        ) AS summed
    )
