-- Recommended actions that were dismissed. A row goes away when the action may be recommended again.
CREATE TABLE dismissals (
    workspace_id uuid        NOT NULL,
    -- weir_events::ActionId, and its parts.
    action       text        NOT NULL,
    kind         text        NOT NULL,
    thing        uuid,
    at           timestamptz NOT NULL,
    user_id      uuid,
    position     bigint      NOT NULL,
    PRIMARY KEY (workspace_id, action)
);
CREATE INDEX dismissals_recent ON dismissals (workspace_id, position DESC);
