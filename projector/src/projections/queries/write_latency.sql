INSERT INTO query_latency (workspace_id, query_id, bucket, count)
SELECT workspace_id, query_id, bucket, count
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::bigint[]) AS p (workspace_id, query_id, bucket, count)
ON CONFLICT (workspace_id, query_id, bucket) DO UPDATE SET count = query_latency.count + excluded.count
