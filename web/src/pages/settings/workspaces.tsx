import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useChange } from "../../api/change";
import type { Schema } from "../../api/client";
import { useWorkspaceNames } from "../../api/names";
import { me } from "../../api/queries";
import { keepSession, useSession } from "../../api/session";
import { when } from "../../lib/format";
import { Card, Failure, Loaded } from "../../ui/card";
import { Head } from "../../ui/table";

type Workspace = Schema<"Workspace">;

/** The workspaces that one is in. */
export function Workspaces() {
  const session = useSession();
  const read = useQuery(me());
  const called = useWorkspaceNames(read.data?.workspaces ?? []);
  const [name, setName] = useState("");
  const create = useChange<Workspace>(
    () => ({ method: "POST", address: "/api/v1/workspaces", body: { name } }),
    ["me"],
  );
  const go = (workspace: string) => session && keepSession({ ...session, workspace });
  return (
    <>
      <Card title="Your workspaces">
        <Loaded read={read}>
          {({ workspaces }) => (
            <table className="list">
              <Head columns={["Name", "Your role", "Since", { hidden: "Go there" }]} />
              <tbody>
                {workspaces.map((each) => (
                  <tr key={each.id}>
                    <th scope="row">
                      {called(each)} {each.personal && <span className="tag">personal</span>}
                    </th>
                    <td data-label="Role">{each.role}</td>
                    <td data-label="Since">{when(each.created_at)}</td>
                    <td>
                      {each.id === session?.workspace ? (
                        <span className="tag">here</span>
                      ) : (
                        <button type="button" className="button small" onClick={() => go(each.id)}>
                          Go to {called(each)}
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loaded>
        <form
          className="filters"
          onSubmit={(event) => {
            event.preventDefault();
            create.mutate(undefined, { onSuccess: ({ id }) => go(id) });
          }}
        >
          <input
            required
            aria-label="Name of the new workspace"
            placeholder="Name of a new workspace"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="button" disabled={create.isPending}>
            Make a workspace
          </button>
        </form>
        {create.error && <Failure error={create.error} />}
      </Card>
      {read.data?.workspaces
        .filter((each) => each.id === session?.workspace)
        .map((each) => (
          <Here
            key={each.id}
            workspace={each}
            home={read.data.workspaces.find((w) => w.personal && w.role === "owner")?.id}
          />
        ))}
    </>
  );
}

function Here({ workspace, home }: { workspace: Workspace; home: string | undefined }) {
  const session = useSession();
  const [name, setName] = useState(workspace.name);
  const [said, setSaid] = useState("");
  const address = `/api/v1/workspaces/${workspace.id}`;
  const change = useChange<Workspace, Partial<Workspace>>((body) => ({ method: "PATCH", address, body }), ["me"]);
  const remove = useChange(
    () => ({ method: "DELETE", address: `${address}?name=${encodeURIComponent(said)}` }),
    ["me"],
  );
  const owns = workspace.role === "owner";
  return (
    <Card title={`The workspace ${workspace.name}`}>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ name });
        }}
      >
        <label>
          Name <input required value={name} disabled={!owns} onChange={(event) => setName(event.target.value)} />
        </label>
        <button type="submit" className="button" disabled={!owns || name === workspace.name}>
          Rename
        </button>
      </form>
      <p>
        <label>
          <input
            type="checkbox"
            checked={workspace.share_rows}
            disabled={!owns}
            onChange={(event) => change.mutate({ share_rows: event.target.checked })}
          />{" "}
          Language models may see rows of its data, not only names of columns
        </label>
      </p>
      {change.error && <Failure error={change.error} />}
      {owns && !workspace.personal && (
        <form
          className="danger"
          onSubmit={(event) => {
            event.preventDefault();
            remove.mutate(undefined, {
              onSuccess: () => session && home && keepSession({ ...session, workspace: home }),
            });
          }}
        >
          <h3>Delete it for good</h3>
          <p>
            Its files, tables and answers are deleted and its texts can never be read again, also in backups of the
            event log. Type its name to go on.
          </p>
          <div className="filters">
            <input aria-label="Its name, to delete it" value={said} onChange={(event) => setSaid(event.target.value)} />
            <button type="submit" className="button" disabled={said.trim() !== workspace.name || remove.isPending}>
              Delete {workspace.name}
            </button>
          </div>
          {remove.error && <Failure error={remove.error} />}
        </form>
      )}
    </Card>
  );
}
