import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Schema } from "./client";
import { members } from "./queries";
import { useSession } from "./session";

/** Ids of users as names, where the workspace knows them. */
export function useNames(): (user: string | null | undefined) => string {
  const session = useSession();
  const known = useQuery(members(session?.workspace ?? ""));
  return useMemo(() => {
    const names = new Map(
      known.data?.items.map((member) => [member.user_id, member.name || member.email || "somebody"]),
    );
    return (user) => (user ? (names.get(user) ?? "somebody") : "Weir");
  }, [known.data]);
}

/**
 * The names of the workspaces that one is in.
 *
 * All that came with accounts have the same name at first: of those that are somebody else's it says whose.
 */
export function useWorkspaceNames(workspaces: Schema<"Workspace">[]): (workspace: Schema<"Workspace">) => string {
  const me = useSession()?.user.id;
  const personal = workspaces.filter((each) => each.personal);
  const alike = personal.length > 1 ? personal : [];
  const known = useQueries({ queries: alike.map(({ id }) => members(id)) });
  return (workspace) => {
    // Whose it is has been in it for longest.
    const first = known[alike.findIndex(({ id }) => id === workspace.id)]?.data?.items[0];
    if (first?.user_id === me || !alike.some(({ id }) => id === workspace.id)) return workspace.name;
    if (first) return `${workspace.name} (${first.name || first.email || "somebody"})`;
    return workspace.role === "owner" ? workspace.name : `${workspace.name} (${workspace.role})`;
  };
}
