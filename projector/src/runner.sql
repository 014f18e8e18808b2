CREATE SCHEMA IF NOT EXISTS projector;

-- Who may write a read schema: the writer with this epoch. It stays where it is when tables are
-- exchanged, and its row is locked in every transaction that writes.
CREATE TABLE IF NOT EXISTS projector.runner (
    schema  text PRIMARY KEY,
    epoch   bigint NOT NULL DEFAULT 0,
    -- For people: the writer's process id, and since when.
    process bigint,
    since   timestamptz
) WITH (fillfactor = 50);

-- When a writer was last seen alive, by the database's clock, and how it fares. Apart from the
-- fence, whose row a long transaction holds.
CREATE TABLE IF NOT EXISTS projector.pulse (
    schema            text PRIMARY KEY,
    at                timestamptz NOT NULL,
    events_per_second double precision NOT NULL DEFAULT 0,
    error             text,
    error_at          timestamptz
) WITH (fillfactor = 50);

-- Projections that someone wants to be folded anew.
CREATE TABLE IF NOT EXISTS projector.requests (
    name text PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Workspaces as they were once: schemas with tables folded up to a position.
CREATE TABLE IF NOT EXISTS projector.past (
    schema    text PRIMARY KEY,
    workspace uuid        NOT NULL,
    position  bigint      NOT NULL,
    -- How many events were folded; null until all of them are.
    events    bigint,
    -- When the last of them happened; null without any.
    happened  timestamptz,
    used_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Schemas of tables that were replaced, and since when nobody finds them any more.
CREATE TABLE IF NOT EXISTS projector.retired (
    schema text PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
