-- Where the event stream is kept as Parquet files, and how far. The files are in the blob store.
CREATE SCHEMA archive;

-- Everything up to this position is in files that are live. One row.
CREATE TABLE archive.progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL
);
INSERT INTO archive.progress (position) VALUES (0);

-- Every object that was ever begun. A file is named before it is written, so that none is forgotten.
CREATE TABLE archive.files (
    key text PRIMARY KEY,
    -- The nil workspace has what is on no workspace's subject.
    workspace_id uuid NOT NULL,
    -- By the time (UTC) that the events say of themselves.
    day date NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    events bigint NOT NULL,
    bytes bigint NOT NULL,
    -- 'writing': nobody reads it yet; 'live'; 'gone': another file has its events, and it is removed after a while.
    state text NOT NULL CHECK (state IN ('writing', 'live', 'gone')),
    since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX files_live ON archive.files (workspace_id, day, first_position) WHERE state = 'live';
