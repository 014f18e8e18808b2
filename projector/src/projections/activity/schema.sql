-- What happened, for people: one row per event that they care about.
CREATE TABLE activity (
    workspace_id uuid        NOT NULL,
    position     bigint      NOT NULL,
    at           timestamptz NOT NULL,
    -- 'user:<id>', 'key:<id>:<user>' or 'system:<worker>'; user_id is the person behind it.
    actor        text        NOT NULL,
    user_id      uuid,
    -- The event's wire type and its aggregate: 'dataset', 'query', ...
    type         text        NOT NULL,
    aggregate    text        NOT NULL,
    subject_id   uuid        NOT NULL,
    -- The name that the subject had when it happened; of a rename, the old one.
    subject_name text,
    -- A sentence's rest after the actor: "uploaded flights".
    title        text        NOT NULL,
    detail       jsonb       NOT NULL,
    PRIMARY KEY (workspace_id, position)
);
-- Most of it are queries that were answered: whoever asks for those, or for queries, walks the
-- primary key. These serve whoever asks for anything else.
CREATE INDEX activity_type ON activity (workspace_id, type, position DESC) WHERE type <> 'weir.query.executed.v1';
CREATE INDEX activity_aggregate ON activity (workspace_id, aggregate, position DESC) WHERE aggregate <> 'query';
CREATE INDEX activity_subject ON activity (workspace_id, subject_id, position DESC);

-- The newest name of every named subject, so that an event without one can be told about.
CREATE TABLE activity_names (
    workspace_id uuid NOT NULL,
    subject_id   uuid NOT NULL,
    name         text,
    PRIMARY KEY (workspace_id, subject_id)
) WITH (fillfactor = 80);
