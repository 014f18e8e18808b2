import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { readFrom, useChange } from "../../api/change";
import type { Schema } from "../../api/client";
import { when } from "../../lib/format";
import { Card, Empty, Failure, Loaded } from "../../ui/card";
import { Secret } from "../../ui/secret";
import { Head } from "../../ui/table";

/** Keys for programs. */
export function Keys() {
  const read = useQuery({
    queryKey: ["api-keys"],
    queryFn: ({ signal }) => readFrom<Schema<"List_ApiKey">>("/api/v1/api-keys?limit=100", signal),
  });
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const create = useChange<Schema<"CreatedApiKey">>(
    () => ({ method: "POST", address: "/api/v1/api-keys", body: { name, role } }),
    ["api-keys"],
  );
  const revoke = useChange<unknown, string>(
    (id) => ({ method: "DELETE", address: `/api/v1/api-keys/${id}` }),
    ["api-keys"],
  );
  return (
    <Card title="API keys">
      {create.data && <Secret label={`The key ${create.data.name}.`} value={create.data.key} />}
      <Loaded read={read}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>There are none. A program uses one in place of a password.</Empty>
          ) : (
            <table className="list">
              <Head columns={["Name", "Role", "Made", { hidden: "Revoke" }]} />
              <tbody>
                {items.map((each) => (
                  <tr key={each.id}>
                    <th scope="row">{each.name}</th>
                    <td data-label="Role">{each.role}</td>
                    <td data-label="Since">{when(each.created_at)}</td>
                    <td>
                      <button
                        type="button"
                        className="button small"
                        aria-label={`Revoke ${each.name}`}
                        onClick={() => revoke.mutate(each.id)}
                      >
                        Revoke
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate(undefined, { onSuccess: () => setName("") });
        }}
      >
        <input
          required
          aria-label="Name of the new key"
          placeholder="What it is for"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <select aria-label="Role of the new key" value={role} onChange={(event) => setRole(event.target.value)}>
          {["viewer", "editor", "owner"].map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
        <button type="submit" className="button primary" disabled={create.isPending}>
          Make a key
        </button>
      </form>
      {(create.error ?? revoke.error) && <Failure error={create.error ?? revoke.error} />}
    </Card>
  );
}
