CREATE SCHEMA IF NOT EXISTS projector;

-- Who may write a read schema: the writer with this epoch. It stays where it is when schemas are
-- swapped, and its row is locked in every transaction that writes.
CREATE TABLE IF NOT EXISTS projector.runner (
    schema  text PRIMARY KEY,
    epoch   bigint NOT NULL DEFAULT 0,
    -- For people: the writer's process id, and since when.
    process bigint,
    since   timestamptz
) WITH (fillfactor = 50);
