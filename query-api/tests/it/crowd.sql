-- A thousand workspaces as if a million events had happened in them, the n-th as large as 1/n of the first.
-- Made by sets of rows, with ids that follow from numbers, so that it is the same each time.
CREATE TEMP TABLE crowd ON COMMIT DROP AS
SELECT n, md5('workspace' || n)::uuid AS workspace_id, md5('user' || n)::uuid AS user_id, 1.0 / n / 7.4855 AS share
FROM generate_series(1, 1000) n;

INSERT INTO workspaces
SELECT workspace_id, 'workspace ' || n, user_id, true, '2026-01-01'::timestamptz + n * interval '1 minute', n
FROM crowd;
INSERT INTO members
SELECT c.workspace_id, md5('user' || (c.n + m * 7) % 1500)::uuid, CASE m WHEN 0 THEN 'owner' ELSE 'viewer' END,
       '2026-01-01', c.n + m
FROM crowd c, generate_series(0, 19) m;
INSERT INTO overview
SELECT workspace_id, ceil(20000 * share), 1000, 1000, ceil(300000 * share), 10, 10, ceil(20000 * share), 5, 1000000
FROM crowd;

INSERT INTO activity
SELECT c.workspace_id, c.n + i * 1000, '2025-12-01'::timestamptz + i * interval '1 minute',
       CASE WHEN i % 10 = 0 THEN 'system:ingest' ELSE 'user:' || c.user_id END,
       CASE WHEN i % 10 <> 0 THEN md5('user' || (c.n + i % 20 * 7) % 1500)::uuid END,
       CASE WHEN i % 10 < 8 THEN 'weir.query.executed.v1' WHEN i % 10 = 8 THEN 'weir.dataset.uploaded.v2'
            ELSE 'weir.visualization.saved.v1' END,
       CASE WHEN i % 10 < 8 THEN 'query' WHEN i % 10 = 8 THEN 'dataset' ELSE 'visualization' END,
       md5('subject' || c.n || '/' || i % 500)::uuid, NULL, 'did something', '{}'
FROM crowd c, generate_series(1, ceil(1000000 * c.share)::int) i;

INSERT INTO runs (workspace_id, run_id, query_id, sql, status, code, detail, rows, bytes, truncated, elapsed_ms,
    result_hash, datasets, engine, at, actor, user_id, position)
SELECT c.workspace_id, md5('run' || c.n || '/' || i)::uuid, md5('query' || c.n || '/' || i % 300)::uuid, 'SELECT 1',
       CASE WHEN i % 20 = 0 THEN 'failed' ELSE 'ok' END, NULL, NULL, 1, 1, false, 1, 'h', '[]', 'e',
       '2025-12-01'::timestamptz + i * interval '3 minutes', 'user:' || c.user_id,
       md5('user' || (c.n + i % 20 * 7) % 1500)::uuid, c.n + i * 1000
FROM crowd c, generate_series(1, ceil(300000 * c.share)::int) i;

INSERT INTO queries (workspace_id, id, pattern, last_sql, name, saved_at, runs, failures, cache_hits, first_run_at,
    last_run_at, position, first_position)
SELECT c.workspace_id, md5('query' || c.n || '/' || i)::uuid, 'SELECT ?', 'SELECT 1',
       CASE WHEN i % 10 = 0 THEN 'query ' || i END, CASE WHEN i % 10 = 0 THEN '2026-01-01'::timestamptz + i * interval '1 minute' END,
       i % 50, CASE WHEN i % 25 = 0 THEN i % 50 ELSE i % 3 END, 0, '2025-12-01'::timestamptz + i * interval '1 minute',
       '2026-01-01'::timestamptz + i % 997 * interval '1 hour', i, i
FROM crowd c, generate_series(1, ceil(60000 * c.share)::int) i;
INSERT INTO query_latency
SELECT workspace_id, id, '{1,2,3}', '{1,1,1}' FROM queries;

INSERT INTO datasets (workspace_id, id, name, uploaded_version, rejected_version, version, upload_key, upload_bytes,
    sha256, format, rows, options, reason, created_at, created_by, updated_at, last_used_at, deleted_at, position)
SELECT c.workspace_id, md5('dataset' || c.n || '/' || i)::uuid, 'dataset ' || i, 1,
       CASE WHEN i % 50 = 0 THEN 1 END, CASE WHEN i % 50 <> 0 THEN 1 END, 'k', i * 37 % 10007, 's',
       CASE WHEN i % 7 = 0 THEN 'parquet' ELSE 'csv' END, CASE WHEN i % 50 <> 0 THEN i * 31 % 1009 END, '{}',
       CASE WHEN i % 50 = 0 THEN '{"code": "x", "detail": "y"}'::jsonb END,
       '2025-12-01'::timestamptz + i * interval '5 minutes', c.user_id,
       '2025-12-01'::timestamptz + i * 13 % 5003 * interval '5 minutes',
       CASE WHEN i % 3 = 0 THEN '2026-01-01'::timestamptz + i % 971 * interval '1 hour' END,
       CASE WHEN i % 11 = 0 THEN '2026-03-01'::timestamptz END, i
FROM crowd c, generate_series(1, ceil(30000 * c.share)::int) i;
INSERT INTO dataset_versions (workspace_id, dataset_id, version, uploaded_at, upload_bytes, sha256, options)
SELECT workspace_id, id, v, created_at, 1, 's', '{}' FROM datasets, generate_series(1, 3) v;
INSERT INTO dataset_use
SELECT workspace_id, id, '2026-03-10'::date - d * 3, 1 FROM datasets, generate_series(0, 9) d;

INSERT INTO visualizations
SELECT c.workspace_id, md5('chart' || c.n || '/' || i)::uuid, 'chart ' || i, NULL, 's',
       md5('query' || c.n || '/' || i % 300)::uuid, NULL, '{}', NULL, 1,
       '2025-12-01'::timestamptz + i * interval '5 minutes', md5('user' || (c.n + i % 20 * 7) % 1500)::uuid,
       '2025-12-01'::timestamptz + i * 13 % 5003 * interval '5 minutes', c.user_id,
       CASE WHEN i % 11 = 0 THEN '2026-03-01'::timestamptz END, i
FROM crowd c, generate_series(1, ceil(30000 * c.share)::int) i;

INSERT INTO contexts (workspace_id, id, name, version, status, description, datasets, metrics, relationships,
    created_at, created_by, updated_at, updated_by, deleted_at, position)
SELECT c.workspace_id, md5('context' || c.n || '/' || i)::uuid, 'context ' || i, '1.0.2', 'active', '', '[]', '[]', 0,
       '2025-12-01'::timestamptz + i * interval '5 minutes', c.user_id,
       '2025-12-01'::timestamptz + i * 13 % 5003 * interval '5 minutes', c.user_id,
       CASE WHEN i % 11 = 0 THEN '2026-03-01'::timestamptz END, i
FROM crowd c, generate_series(1, ceil(15000 * c.share)::int) i;
INSERT INTO context_versions
SELECT workspace_id, id, '1.0.' || v, 'active', 'text', 's', created_at, NULL, position + v
FROM contexts, generate_series(0, 2) v;

INSERT INTO usage_days
SELECT c.workspace_id, '2026-03-10'::date - d, 1, 5, 1, 1, 1, '{1,2,3,4}', '{1,1,1,1}' FROM crowd c, generate_series(0, 89) d;
INSERT INTO usage_users
SELECT c.workspace_id, '2026-03-10'::date - d, md5('user' || (c.n + u * 7) % 1500)::uuid
FROM crowd c, generate_series(0, 59) d, generate_series(0, 2) u;

INSERT INTO dismissals
SELECT d.workspace_id, a.kind || d.id::text, trim(trailing '.' FROM a.kind), d.id, d.created_at, NULL, d.position
FROM (
    SELECT workspace_id, id, 'query_dataset.' AS kind, created_at, position FROM datasets WHERE last_used_at IS NULL
    UNION ALL
    SELECT workspace_id, id, 'fix_query.', first_run_at, position FROM queries WHERE failures * 2 >= runs
) d
CROSS JOIN LATERAL (SELECT d.kind) a
WHERE d.position % 2 = 0;
