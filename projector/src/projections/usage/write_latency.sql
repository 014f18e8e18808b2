INSERT INTO usage_latency (workspace_id, day, bucket, count)
SELECT workspace_id, day, bucket, count
FROM unnest($1::uuid[], $2::date[], $3::smallint[], $4::bigint[]) AS p (workspace_id, day, bucket, count)
ON CONFLICT (workspace_id, day, bucket) DO UPDATE SET count = usage_latency.count + excluded.count
