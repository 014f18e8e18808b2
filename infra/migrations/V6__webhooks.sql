-- Who is told of events. What a webhook is stands in the event log; here are its secrets and how far it was told.
CREATE SCHEMA webhooks;

CREATE TABLE webhooks.hooks (
    id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    -- Sealed under the installation's secret, bound to the id: an address may hold a token.
    sealed_address bytea NOT NULL,
    sealed_secret bytea NOT NULL,
    -- The secret before, with which messages are signed as well until then.
    sealed_old_secret bytea,
    old_until timestamptz,
    -- Every event up to here is a delivery, or was not wanted.
    cursor bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);

CREATE TABLE webhooks.deliveries (
    id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks.hooks ON DELETE CASCADE,
    -- The event. It is read from the log each time.
    position bigint NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    -- What it happened to. Deliveries about one thing go in order.
    subject text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    first_tried_at timestamptz,
    last_tried_at timestamptz,
    -- When it is to be tried (again).
    due_at timestamptz NOT NULL,
    -- Whoever tries it holds this until then.
    lease uuid,
    lease_until timestamptz,
    -- What came of the last try.
    response_status integer,
    response_ms bigint,
    error text,
    -- `delivered`, `failed` or `skipped` once there is nothing to do any more.
    outcome text CHECK (outcome IN ('delivered', 'failed', 'skipped')),
    settled_at timestamptz,
    CHECK ((outcome IS NULL) = (settled_at IS NULL)),
    UNIQUE (webhook_id, position)
);
CREATE INDEX deliveries_waiting ON webhooks.deliveries (webhook_id, subject, position) WHERE settled_at IS NULL;
CREATE INDEX deliveries_due ON webhooks.deliveries (due_at) WHERE settled_at IS NULL;
CREATE INDEX deliveries_settled ON webhooks.deliveries (webhook_id, position) WHERE settled_at IS NOT NULL;
