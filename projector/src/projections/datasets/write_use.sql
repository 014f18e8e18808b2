INSERT INTO dataset_use (workspace_id, dataset_id, day, queries)
SELECT workspace_id, dataset_id, day, queries
FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::bigint[]) AS p (workspace_id, dataset_id, day, queries)
ON CONFLICT (workspace_id, dataset_id, day) DO UPDATE SET queries = dataset_use.queries + excluded.queries
