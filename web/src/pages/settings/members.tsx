import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useChange } from "../../api/change";
import { me, members } from "../../api/queries";
import { useSession } from "../../api/session";
import { when } from "../../lib/format";
import { Card, Failure, Loaded } from "../../ui/card";
import { Head } from "../../ui/table";

const ROLES = ["viewer", "editor", "owner"] as const;

/** Who is in the workspace, and what they may do. */
export function Members() {
  const session = useSession();
  const workspace = session?.workspace ?? "";
  const read = useQuery(members(workspace));
  const known = useQuery(me());
  const owns = known.data?.workspaces.find((each) => each.id === workspace)?.role === "owner";
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<string>("editor");
  const address = `/api/v1/workspaces/${workspace}/members`;
  const add = useChange(() => ({ method: "POST", address, body: { email, role } }), ["members"]);
  const change = useChange<unknown, { id: string; role: string }>(
    ({ id, role }) => ({ method: "PATCH", address: `${address}/${id}`, body: { role } }),
    ["members"],
  );
  const remove = useChange<unknown, { id: string; erase: boolean }>(
    ({ id, erase }) => ({ method: "DELETE", address: `${address}/${id}?erase=${erase}` }),
    ["members"],
  );
  const failed = add.error ?? change.error ?? remove.error;
  return (
    <Card title="Members">
      {failed && <Failure error={failed} />}
      <Loaded read={read}>
        {({ items }) => (
          <table className="list">
            <Head columns={["Who", "Role", "Since", { hidden: "Remove" }]} />
            <tbody>
              {items.map((each) => {
                const who = each.name || each.email || each.user_id;
                return (
                  <tr key={each.user_id}>
                    <th scope="row">
                      {who} <span className="quiet">{each.email}</span>
                    </th>
                    <td>
                      <select
                        aria-label={`Role of ${who}`}
                        value={each.role}
                        disabled={!owns}
                        onChange={(event) => change.mutate({ id: each.user_id, role: event.target.value })}
                      >
                        {ROLES.map((one) => (
                          <option key={one}>{one}</option>
                        ))}
                      </select>
                    </td>
                    <td data-label="Since">{when(each.since)}</td>
                    <td>
                      {(owns || each.user_id === session?.user.id) && (
                        <span className="drop-buttons">
                          <button
                            type="button"
                            className="button small"
                            aria-label={`Remove ${who}`}
                            onClick={() => remove.mutate({ id: each.user_id, erase: false })}
                          >
                            Remove
                          </button>
                          <button
                            type="button"
                            className="button small"
                            aria-label={`Remove and erase what ${who} asked`}
                            onClick={() => {
                              if (window.confirm(`Erase for good what ${who} asked here? Nothing brings it back.`))
                                remove.mutate({ id: each.user_id, erase: true });
                            }}
                          >
                            Remove and erase
                          </button>
                        </span>
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        )}
      </Loaded>
      {owns && (
        <form
          className="filters"
          onSubmit={(event) => {
            event.preventDefault();
            add.mutate(undefined, { onSuccess: () => setEmail("") });
          }}
        >
          <input
            type="email"
            required
            aria-label="E-mail address of the new member"
            placeholder="E-mail address of somebody with an account"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
          <select aria-label="Role of the new member" value={role} onChange={(event) => setRole(event.target.value)}>
            {ROLES.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
          <button type="submit" className="button primary" disabled={add.isPending}>
            Add
          </button>
        </form>
      )}
    </Card>
  );
}
