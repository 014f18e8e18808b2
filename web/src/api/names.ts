import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
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
