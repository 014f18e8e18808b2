import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { readFrom, useChange } from "../../api/change";
import type { Schema } from "../../api/client";
import { when } from "../../lib/format";
import { Card, Empty, Failure, Loaded } from "../../ui/card";
import { Secret } from "../../ui/secret";

type Webhook = Schema<"Webhook">;

/** Who is told of events. */
export function Webhooks() {
  const read = useQuery({
    queryKey: ["webhooks", "now"],
    queryFn: ({ signal }) => readFrom<Schema<"List_Webhook">>("/api/v1/webhooks?limit=100", signal),
  });
  const [url, setUrl] = useState("");
  const [types, setTypes] = useState("");
  const create = useChange<Schema<"CreatedWebhook">>(
    () => ({
      method: "POST",
      address: "/api/v1/webhooks",
      body: { url, types: types.split(/[\s,]+/).filter(Boolean), aggregates: [] },
    }),
    ["webhooks"],
  );
  return (
    <Card title="Webhooks">
      {create.data && <Secret label="The secret that messages are signed with." value={create.data.secret} />}
      <Loaded read={read}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>Nobody is told of events yet.</Empty>
          ) : (
            <ul className="history">
              {items.map((each) => (
                <One key={each.id} webhook={each} />
              ))}
            </ul>
          )
        }
      </Loaded>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate(undefined, { onSuccess: () => setUrl("") });
        }}
      >
        <input
          type="url"
          required
          aria-label="Address of the receiver"
          placeholder="https://…"
          value={url}
          onChange={(event) => setUrl(event.target.value)}
        />
        <input
          aria-label="Types of events, all without any"
          placeholder="all types, or weir.dataset.ingested.v1"
          value={types}
          onChange={(event) => setTypes(event.target.value)}
        />
        <button type="submit" className="button primary" disabled={create.isPending}>
          Make a webhook
        </button>
      </form>
      {create.error && <Failure error={create.error} />}
    </Card>
  );
}

function One({ webhook }: { webhook: Webhook }) {
  const [open, setOpen] = useState(false);
  const address = `/api/v1/webhooks/${webhook.id}`;
  const change = useChange<Webhook, boolean>(
    (active) => ({ method: "PATCH", address, body: { active, skip: false } }),
    ["webhooks"],
  );
  const test = useChange<Schema<"TestedWebhook">>(() => ({ method: "POST", address: `${address}/test` }), ["webhooks"]);
  const rotate = useChange<Schema<"RotatedSecret">>(
    () => ({ method: "POST", address: `${address}/rotate-secret` }),
    ["webhooks"],
  );
  const remove = useChange(() => ({ method: "DELETE", address }), ["webhooks"]);
  const failed = change.error ?? test.error ?? rotate.error ?? remove.error;
  return (
    <li>
      <p>
        <b>{webhook.origin}</b> <span className="tag">{webhook.status}</span>
        <span className="quiet">
          {webhook.types.length ? webhook.types.join(", ") : "all events"}, since {when(webhook.created_at)}
        </span>
      </p>
      {webhook.reason && <p className="bad">{webhook.reason}</p>}
      <p className="drop-buttons">
        <button type="button" className="button small" onClick={() => test.mutate()}>
          Test
        </button>
        <button type="button" className="button small" onClick={() => change.mutate(webhook.status !== "active")}>
          {webhook.status === "active" ? "Pause" : "Resume"}
        </button>
        <button type="button" className="button small" onClick={() => rotate.mutate()}>
          New secret
        </button>
        <button type="button" className="button small" aria-expanded={open} onClick={() => setOpen(!open)}>
          Deliveries
        </button>
        <button type="button" className="button small" onClick={() => remove.mutate()}>
          Delete
        </button>
      </p>
      {failed && <Failure error={failed} />}
      {test.data && (
        <output>
          {test.data.delivered ? "It was taken" : (test.data.error ?? "It was not taken")} (
          {test.data.response_status ?? "no answer"}, {test.data.response_ms} ms)
        </output>
      )}
      {rotate.data && <Secret label="The new secret; the old one signs too for a day." value={rotate.data.secret} />}
      {open && <Deliveries address={address} />}
    </li>
  );
}

function Deliveries({ address }: { address: string }) {
  const read = useQuery({
    queryKey: ["webhooks", "now", address, "deliveries"],
    queryFn: ({ signal }) => readFrom<Schema<"List_WebhookDelivery">>(`${address}/deliveries?limit=50`, signal),
    refetchInterval: 5_000,
  });
  const resend = useChange<unknown, string>(
    (id) => ({ method: "POST", address: `${address}/deliveries/${id}/resend` }),
    ["webhooks"],
  );
  return (
    <Loaded read={read}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty>Nothing was delivered yet.</Empty>
        ) : (
          <ul className="lines">
            {items.map((each) => (
              <li key={each.id}>
                <span>
                  {each.event_type} <span className="tag">{each.status}</span>
                </span>
                <span className="quiet">
                  {each.attempts}×, {each.response_status ?? "no answer"}, {when(each.last_tried_at)}
                  {each.error && `, ${each.error}`}
                </span>
                <button type="button" className="button small" onClick={() => resend.mutate(each.id)}>
                  Send again
                </button>
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}
