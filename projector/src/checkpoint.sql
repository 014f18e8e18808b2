-- What the runtime itself keeps in every read schema, beside the projections' tables.

-- How far each projection is: one row per projection. All of them move together, in the same
-- transaction as the rows they describe, so min(position) is "everything up to here can be read".
CREATE TABLE checkpoint (
    name       text PRIMARY KEY,
    version    integer     NOT NULL,
    position   bigint      NOT NULL,
    -- Wall clock of the last commit; the one column here that does not come from events.
    updated_at timestamptz NOT NULL,
    -- Says which definition the projection's tables were made from: where a build's own differs,
    -- they are built anew, even if someone forgot to raise the version.
    tables     uuid
) WITH (fillfactor = 50);

-- Events that could not be folded: unreadable ('*' stands for every projection), or refused by
-- one projection's tables. The stream goes on behind them.
CREATE TABLE dead_letters (
    position   bigint NOT NULL,
    projection text   NOT NULL,
    subject    text   NOT NULL,
    reason     text   NOT NULL,
    -- When the event says it happened; null where not even that can be read.
    at         timestamptz,
    PRIMARY KEY (position, projection)
);
