-- One workspace with something of everything. :ws and :user are ids, :n the digit that its ids begin with.
INSERT INTO workspaces VALUES (:ws, 'The workspace', :user, true, '2026-02-01T08:00:00Z', 1);
INSERT INTO members VALUES (:ws, :user, 'owner', '2026-02-01T08:00:00Z', 2);

INSERT INTO datasets (workspace_id, id, name, description, uploaded_version, rejected_version, version, file_name,
    upload_key, upload_bytes, sha256, format, table_key, table_bytes, rows, columns, ingested_at, options, reason,
    created_at, created_by, updated_at, last_used_at, deleted_at, position)
VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000d1', 'flights', 'All of them', 1, NULL, 1, 'flights.csv', 'uploads/1',
     30960660, 'aa', 'csv', 'tables/1', 5000000, 336776,
     '[{"name": "carrier", "type": "text", "nullable": false}, {"name": "arr_delay", "type": "int", "nullable": true, "missing": {"NA": 9430}}]',
     '2026-03-01T10:00:05Z', '{"delimiter": ",", "allow_ragged": false}', NULL,
     '2026-03-01T10:00:00Z', :user, '2026-03-01T10:00:05Z', '2026-03-10T09:00:00Z', NULL, 11),
    (:ws, ':n0000000-0000-0000-0000-0000000000d2', 'airlines', NULL, 2, 2, 1, 'airlines-2.csv', 'uploads/2',
     359, 'bb', 'csv', 'tables/2', 900, 16,
     '[{"name": "carrier", "type": "text", "nullable": false}, {"name": "name", "type": "text", "nullable": false}]',
     '2026-03-01T11:00:05Z', '{"allow_ragged": false}',
     '{"code": "ragged_row", "detail": "Row 3 has 2 fields, the header has 3.", "row": 3, "column": null, "found": "4,5"}',
     '2026-03-01T11:00:00Z', :user, '2026-03-02T11:00:05Z', NULL, NULL, 15),
    (:ws, ':n0000000-0000-0000-0000-0000000000d3', 'broken', NULL, 1, 1, NULL, NULL, 'uploads/3',
     12, 'cc', NULL, NULL, NULL, NULL, NULL, NULL, '{"allow_ragged": false}',
     '{"code": "not_text", "detail": "The file is not text.", "row": 1, "column": "2", "found": "%PDF"}',
     '2026-03-02T10:00:00Z', :user, '2026-03-02T10:00:01Z', NULL, NULL, 17),
    (:ws, ':n0000000-0000-0000-0000-0000000000d4', 'weather', NULL, 1, NULL, 1, 'weather.csv', 'uploads/4',
     700, 'dd', 'csv', 'tables/4', 600, 26115, '[{"name": "temp", "type": "float", "nullable": true}]',
     '2026-01-05T10:00:05Z', '{"allow_ragged": false}', NULL,
     '2026-01-05T10:00:00Z', :user, '2026-01-05T10:00:05Z', '2026-01-20T10:00:00Z', NULL, 19),
    (:ws, ':n0000000-0000-0000-0000-0000000000d5', 'old', NULL, 1, NULL, 1, 'old.csv', 'uploads/5',
     100, 'ee', 'csv', 'tables/5', 90, 3, '[{"name": "a", "type": "int", "nullable": false}]',
     '2026-01-01T10:00:05Z', '{"allow_ragged": false}', NULL,
     '2026-01-01T10:00:00Z', :user, '2026-02-02T10:00:00Z', NULL, '2026-02-02T10:00:00Z', 21);
INSERT INTO dataset_versions (workspace_id, dataset_id, version, uploaded_at, uploaded_by, file_name, upload_bytes,
    sha256, options, format, table_bytes, rows, columns, ingested_at, diff, restored_from, reason)
VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000d2', 1, '2026-03-01T11:00:00Z', :user, 'airlines.csv', 350, 'b1',
     '{"delimiter": ",", "allow_ragged": false}', 'csv', 900, 16,
     '[{"name": "carrier", "type": "text", "nullable": false}, {"name": "name", "type": "text", "nullable": false}]',
     '2026-03-01T11:00:05Z', NULL, NULL, NULL),
    (:ws, ':n0000000-0000-0000-0000-0000000000d2', 2, '2026-03-02T11:00:00Z', NULL, 'airlines-2.csv', 359, 'bb',
     '{"allow_ragged": false}', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     '{"version": 2, "code": "ragged_row", "detail": "Row 3 has 2 fields, the header has 3.", "row": 3, "column": null, "found": "4,5"}'),
    (:ws, ':n0000000-0000-0000-0000-0000000000d2', 3, '2026-03-03T11:00:00Z', :user, 'airlines-3.csv', 361, 'b3',
     '{"allow_ragged": true}', 'csv', 900, 15, '[]', '2026-03-03T11:00:00Z',
     '{"from": 1, "removed": ["name"], "retyped": [{"name": "carrier", "from": "text", "to": "int"}], "rows": -1}', 1, NULL);
INSERT INTO dataset_use VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000d1', '2026-03-10', 4),
    (:ws, ':n0000000-0000-0000-0000-0000000000d1', '2026-03-04', 2),
    (:ws, ':n0000000-0000-0000-0000-0000000000d1', '2026-03-03', 50),
    (:ws, ':n0000000-0000-0000-0000-0000000000d4', '2026-01-20', 7),
    (:ws, ':n0000000-0000-0000-0000-0000000000d4', '2026-02-20', 1);

INSERT INTO queries (workspace_id, id, pattern, last_sql, saved_sql, name, saved_at, saved_by, runs, failures,
    cache_hits, first_run_at, last_run_at, position, first_position)
VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000a1', 'SELECT carrier FROM flights LIMIT ?',
     'SELECT carrier FROM flights LIMIT 5', 'SELECT carrier FROM flights LIMIT 9', 'carriers', '2026-03-09T08:00:00Z',
     :user, 4, 1, 2, '2026-03-04T09:00:00Z', '2026-03-10T09:00:00Z', 50, 30),
    (:ws, ':n0000000-0000-0000-0000-0000000000a2', 'SELECT count(*) FROM flights', 'SELECT count(*) FROM flights', NULL,
     NULL, NULL, NULL, 6, 0, 0, '2026-03-03T09:00:00Z', '2026-03-10T08:00:00Z', 45, 28),
    (:ws, ':n0000000-0000-0000-0000-0000000000a3', 'SELECT x FROM flights', 'SELECT x FROM flights', NULL,
     NULL, NULL, NULL, 4, 3, 0, '2026-03-02T09:00:00Z', '2026-03-09T08:00:00Z', 40, 26),
    (:ws, ':n0000000-0000-0000-0000-0000000000a4', 'SELECT * FROM airlines', NULL, 'SELECT * FROM airlines',
     'all airlines', '2026-03-08T08:00:00Z', :user, 0, 0, 0, NULL, NULL, 38, 38);
INSERT INTO query_latency VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000a1', '{23,46}', '{2,1}'),
    (:ws, ':n0000000-0000-0000-0000-0000000000a2', '{46,80}', '{1,5}'),
    (:ws, ':n0000000-0000-0000-0000-0000000000a3', '{10}', '{1}');

INSERT INTO runs (workspace_id, run_id, query_id, sql, status, code, detail, rows, bytes, truncated, elapsed_ms,
    cache_tier, result_hash, result_key, datasets, engine, at, actor, user_id, position)
VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000e1', ':n0000000-0000-0000-0000-0000000000a3', 'SELECT x FROM flights',
     'failed', 'unknown_column', 'There is no column x; did you mean y?', NULL, NULL, NULL, 1.5, NULL, NULL, NULL,
     '[]', NULL, '2026-03-09T08:00:00Z', 'user:' || :user, :user, 40),
    (:ws, ':n0000000-0000-0000-0000-0000000000e2', ':n0000000-0000-0000-0000-0000000000a2', 'SELECT count(*) FROM flights',
     'ok', NULL, NULL, 1, 8, false, 3050.25, NULL, 'hash2', NULL,
     '[{"id": ":n0000000-0000-0000-0000-0000000000d1", "name": "flights", "version": 1}]', 'datafusion 55',
     '2026-03-10T08:00:00Z', 'key:70000000-0000-0000-0000-000000000001:' || :user, :user, 45),
    (:ws, ':n0000000-0000-0000-0000-0000000000e3', ':n0000000-0000-0000-0000-0000000000a1',
     'SELECT carrier FROM flights LIMIT 5', 'ok', NULL, NULL, 3, 30, false, 0.75, 1, 'hash3',
     'results/:n/kept.arrow',
     '[{"id": ":n0000000-0000-0000-0000-0000000000d1", "name": "flights", "version": 1}]', 'datafusion 55',
     '2026-03-10T09:00:00Z', 'user:' || :user, :user, 50),
    (:ws, ':n0000000-0000-0000-0000-0000000000e4', ':n0000000-0000-0000-0000-0000000000a1',
     'SELECT carrier FROM flights LIMIT 7', 'ok', NULL, NULL, 3, 30, true, 9.5, NULL, 'hash4',
     'results/:n/gone.arrow',
     '[{"id": ":n0000000-0000-0000-0000-0000000000d1", "name": "flights", "version": 1}]', 'datafusion 55',
     '2026-03-04T09:00:00Z', 'user:' || :user, :user, 30);

INSERT INTO dismissals VALUES
    (:ws, 'query_dataset.:n0000000-0000-0000-0000-0000000000d1', 'query_dataset',
     ':n0000000-0000-0000-0000-0000000000d1', '2026-03-02T09:00:00Z', :user, 18);

UPDATE runs SET question = 'Which carriers are there?', model = 'small-1',
    stages = '{"resolve_ms": 0.25, "store_ms": 1.5}'
WHERE run_id = ':n0000000-0000-0000-0000-0000000000e3';

INSERT INTO visualizations VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000c1', 'Flights by carrier', 'A bar each', 'SELECT carrier FROM flights LIMIT 5',
     ':n0000000-0000-0000-0000-0000000000a1', ':n0000000-0000-0000-0000-0000000000e3', '{"mark": {"type": "bar"}}',
     '{"type": "bar", "x": "carrier"}', 2, '2026-03-10T09:30:00Z', :user, '2026-03-10T09:40:00Z', :user, NULL, 55),
    (:ws, ':n0000000-0000-0000-0000-0000000000c2', 'Given up', NULL, 'SELECT 1', ':n0000000-0000-0000-0000-0000000000a2',
     NULL, '{"mark": "point"}', NULL, 1, '2026-03-05T09:30:00Z', :user, '2026-03-06T09:30:00Z', :user,
     '2026-03-06T09:30:00Z', 35);

INSERT INTO activity VALUES
    (:ws, 10, '2026-03-01T10:00:00Z', 'user:' || :user, :user, 'weir.dataset.uploaded.v2', 'dataset',
     ':n0000000-0000-0000-0000-0000000000d1', 'flights', 'uploaded flights', '{"bytes": 30960660}'),
    (:ws, 11, '2026-03-01T10:00:05Z', 'system:ingest', NULL, 'weir.dataset.ingested.v1', 'dataset',
     ':n0000000-0000-0000-0000-0000000000d1', 'flights', 'read flights', '{"rows": 336776}'),
    (:ws, 50, '2026-03-10T09:00:00Z', 'user:' || :user, :user, 'weir.query.executed.v1', 'query',
     ':n0000000-0000-0000-0000-0000000000a1', 'carriers', 'ran carriers', '{"rows": 3}'),
    (:ws, 54, '2026-03-10T09:30:00Z', 'user:' || :user, :user, 'weir.visualization.saved.v1', 'visualization',
     ':n0000000-0000-0000-0000-0000000000c1', 'Flights by carrier', 'saved the chart Flights by carrier', '{}'),
    (:ws, 55, '2026-03-10T09:40:00Z', 'key:70000000-0000-0000-0000-000000000001:' || :user, :user,
     'weir.visualization.saved.v1', 'visualization',
     ':n0000000-0000-0000-0000-0000000000c1', 'Flights by carrier', 'saved the chart Flights by carrier', '{}');

INSERT INTO usage_days VALUES
    (:ws, '2026-03-10', 1, 5, 1, 2, 2, '{23,46}', '{3,1}'), (:ws, '2026-03-09', 0, 1, 1, 0, 0, '{}', '{}'),
    (:ws, '2026-02-01', 9, 9, 9, 9, 0, '{99}', '{8}');
INSERT INTO usage_users VALUES
    (:ws, '2026-03-10', :user), (:ws, '2026-03-10', '40000000-0000-0000-0000-000000000009'), (:ws, '2026-03-09', :user);
INSERT INTO overview VALUES (:ws, 3, 30961719, 362907, 14, 4, 2, 1, 0, 55);

INSERT INTO contexts (workspace_id, id, name, version, status, description, datasets, metrics, relationships,
    created_at, created_by, updated_at, updated_by, position)
VALUES
    (:ws, ':n0000000-0000-0000-0000-0000000000c1', 'New York flights', '1.0.1', 'active', 'Departures and who flew them',
     '[":n0000000-0000-0000-0000-0000000000d1"]', '["delay"]', 0,
     '2026-03-06T09:00:00Z', :user, '2026-03-07T09:00:00Z', :user, 30);
INSERT INTO context_versions (workspace_id, context_id, version, status, text, sha256, saved_at, saved_by, position)
SELECT :ws, ':n0000000-0000-0000-0000-0000000000c1', version, 'active',
    E'---\nname: New York flights\nversion: ' || version || E'\ndescription: Departures and who flew them\ndatasets:\n'
        || E'  - {id: flights, name: Flights, dataset_id: flights}\n---\n',
    'f1', '2026-03-06T09:00:00Z', :user, position
FROM (VALUES ('1.0.0', 29), ('1.0.1', 30)) v (version, position);
