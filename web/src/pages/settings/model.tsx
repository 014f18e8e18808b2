import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useChange } from "../../api/change";
import type { Schema } from "../../api/client";
import { Card, Failure, Loaded } from "../../ui/card";
import { myModel } from "../query/queries";

/** The language model that answers questions, and one's own key for it. */
export function Model() {
  const read = useQuery(myModel());
  const [provider, setProvider] = useState("openai");
  const [model, setModel] = useState("");
  const [key, setKey] = useState("");
  const put = useChange<Schema<"MyModel">>(
    () => ({ method: "PUT", address: "/api/v1/me/model", body: { provider, key, ...(model && { model }) } }),
    ["me"],
  );
  const remove = useChange(() => ({ method: "DELETE", address: "/api/v1/me/model" }), ["me"]);
  return (
    <Card title="Language model">
      <Loaded read={read}>
        {(mine) => (
          <>
            <p>
              {mine.own
                ? `Your key ending in ${mine.key_ending} for ${mine.model ?? mine.provider} is used for your questions only.`
                : mine.configured
                  ? `This installation answers with ${mine.model ?? mine.provider}.`
                  : "No model is configured here. Give a key of your own, or have whoever runs Weir configure one."}
            </p>
            {mine.own && (
              <button type="button" className="button" onClick={() => remove.mutate()}>
                Remove my key
              </button>
            )}
          </>
        )}
      </Loaded>
      <form
        className="form settings-form"
        onSubmit={(event) => {
          event.preventDefault();
          put.mutate(undefined, { onSuccess: () => setKey("") });
        }}
      >
        <label>
          <span>Provider</span>
          <select value={provider} onChange={(event) => setProvider(event.target.value)}>
            <option value="openai">OpenAI or like it</option>
            <option value="anthropic">Anthropic</option>
          </select>
        </label>
        <label>
          <span>Model</span>
          <input
            placeholder="the provider's usual one"
            value={model}
            onChange={(event) => setModel(event.target.value)}
          />
        </label>
        <label>
          <span>Key</span>
          <input
            type="password"
            required
            autoComplete="off"
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <p className="quiet">It is sealed at rest and never shown again, in no event, log or error.</p>
        <button type="submit" className="button primary" disabled={put.isPending}>
          Use my key
        </button>
      </form>
      {(put.error ?? remove.error) && <Failure error={put.error ?? remove.error} />}
    </Card>
  );
}
