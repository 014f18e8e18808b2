import { keepPreviousData, QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, api, unwrap } from "./client";
import type { StreamEvent } from "./live";

/** What the page knows, until an event says that it has changed. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Events say when something is stale; time does not. Without a connection everything is asked for anew on focus.
      staleTime: 60_000,
      // Without a network it is asked all the same: who waits is told that there is none, and not shown grey bars.
      networkMode: "always",
      refetchOnReconnect: true,
      gcTime: 10 * 60_000,
      retry: (failures, error) =>
        failures < 3 && !(error instanceof ApiError && error.status < 500 && error.status !== 429),
      retryDelay: (failures, error) =>
        (error instanceof ApiError && error.retryAfter ? error.retryAfter : Math.min(2 ** failures * 0.5, 8)) * 1000,
    },
    // What is done without a network fails at once, and does not happen some time later.
    mutations: { networkMode: "always" },
  },
});

/** The parameter of a read as of a moment. */
export const past = (asOf: string | undefined) => (asOf ? { as_of: asOf } : {});

/** The second part of the key of a read that can be asked as of a moment: the past does not become stale. */
const PAST = "as of ";
/** Names a moment in the key of a read. */
export const moment = (asOf: string | undefined) => (asOf ? PAST + asOf : "now");

/** The read of the whole home page. */
export const dashboard = (asOf?: string) =>
  queryOptions({
    queryKey: ["dashboard", moment(asOf)],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/dashboard", { params: { query: past(asOf) }, signal })),
    placeholderData: keepPreviousData,
  });

/** Who is asking, and where they belong. */
export const me = () =>
  queryOptions({ queryKey: ["me"], queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me", { signal })) });

/** The workspace's members, whose ids stand in events. */
export const members = (workspace: string) =>
  queryOptions({
    queryKey: ["members", workspace],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/workspaces/{id}/members", {
          params: { path: { id: workspace }, query: { limit: 200 } },
          signal,
        }),
      ),
    staleTime: 5 * 60_000,
  });

/** Which reads an event of an aggregate makes stale: the first part of their keys. */
const STALE: Record<string, string[]> = {
  dataset: ["datasets", "dataset", "activity"],
  query: ["queries", "query", "runs", "activity"],
  visualization: ["visualizations", "visualization", "activity"],
  context: ["contexts", "context", "activity"],
  workspace: ["me", "workspaces", "activity"],
  member: ["me", "members", "activity"],
  webhook: ["webhooks", "activity"],
};

/**
 * Asks again for all that could not be had: nothing else does when the server is back.
 *
 * What no page shows now is asked for by the next page that does.
 */
export function readAgain(client: QueryClient) {
  void client.invalidateQueries({ predicate: ({ state }) => state.status === "error" || state.fetchFailureCount > 0 });
}

/** Milliseconds in which events are gathered before the page asks again: a burst costs one round of reads. */
const GATHER = 150;

/** Makes the reads stale that an event is about, in bursts. */
export function staleness(client: QueryClient): (event: StreamEvent) => void {
  const touched = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (event) => {
    const aggregate = event.subject.split("/")[0] ?? "";
    touched.add("dashboard");
    for (const key of STALE[aggregate] ?? ["activity"]) touched.add(key);
    timer ??= setTimeout(() => {
      timer = undefined;
      const stale = new Set(touched);
      touched.clear();
      client.invalidateQueries({
        predicate: ({ queryKey }) => stale.has(String(queryKey[0])) && !String(queryKey[1]).startsWith(PAST),
      });
    }, GATHER);
  };
}
