INSERT INTO query_latency (workspace_id, query_id, buckets, counts)
SELECT workspace_id, query_id, buckets::smallint[], counts::bigint[]
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS p (workspace_id, query_id, buckets, counts)
ON CONFLICT (workspace_id, query_id) DO UPDATE SET (buckets, counts) = (
    SELECT array_agg(bucket ORDER BY bucket), array_agg(count ORDER BY bucket)
    FROM (
        SELECT bucket, sum(count)::bigint AS count
        FROM (
            SELECT * FROM unnest(query_latency.buckets, query_latency.counts) AS before (bucket, count)
            UNION ALL
            SELECT * FROM unnest(excluded.buckets, excluded.counts) AS added (bucket, count)
        ) AS each
        GROUP BY bucket
    ) AS summed
)
