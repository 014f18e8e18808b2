import { useInfiniteQuery } from "@tanstack/react-query";
import { readFrom, useChange } from "../api/change";
import type { Schema } from "../api/client";
import { useNames } from "../api/names";
import { moment } from "../api/queries";
import { useAsOf } from "../lib/as-of";
import { useNow } from "../lib/clock";
import { ago, when } from "../lib/format";
import { Empty, Failure, Skeleton } from "./card";
import { Confirm } from "./confirm";
import { shown } from "./rows";

type Page = Schema<"List_HistoryItem">;

/** What has a history of its own, by its place in the API. */
export type Kind = "datasets" | "queries" | "visualizations" | "contexts";

/** The reads that are stale when one of a kind changed. */
const ONE_AND_ALL: Record<Kind, string[]> = {
  datasets: ["datasets", "dataset"],
  queries: ["queries", "query"],
  visualizations: ["visualizations", "visualization"],
  contexts: ["contexts", "context"],
};

const THIS: Record<Kind, string> = {
  datasets: "the dataset",
  queries: "the saved query",
  visualizations: "the chart",
  contexts: "the context",
};

/** What only followed from something that was done, or answered a question: there is nothing to take back. */
const FOLLOWED = /\.(ingested|rejected|executed|failed)\./;

/** Whether something that happened can be taken back. */
export function canUndo(item: { type: string; actor: string }): boolean {
  return !item.actor.startsWith("system:") && !FOLLOWED.test(item.type);
}

/** Whether the thing is gone once that is taken back: what made it, or brought it back. `oldest` is its first entry. */
export function undoDeletes(kind: Kind, item: { type: string }, oldest: boolean): boolean {
  if (/\.restored\./.test(item.type)) return true;
  return kind === "queries" ? /\.saved\./.test(item.type) : oldest;
}

/** The history of one thing: who changed what, when, and a way back. */
export function History({ kind, id }: { kind: Kind; id: string }) {
  const [asOf] = useAsOf();
  const name = useNames();
  const now = useNow();
  const read = useInfiniteQuery({
    queryKey: [kind, moment(asOf), id, "history"],
    initialPageParam: "",
    queryFn: ({ pageParam }) => {
      const params = new URLSearchParams({ limit: "30" });
      if (pageParam) params.set("cursor", pageParam);
      if (asOf) params.set("as_of", asOf);
      return readFrom<Page>(`/api/v1/${kind}/${id}/history?${params}`);
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const undo = useChange<Schema<"Undone">, number>(
    (position) => ({ method: "POST", address: `/api/v1/${kind}/${id}/undo`, body: { position } }),
    ONE_AND_ALL[kind],
  );
  if (read.isPending) return <Skeleton lines={5} height={44} />;
  if (read.error) return <Failure error={read.error} retry={() => void read.refetch()} />;
  const items = read.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <Empty>Nothing has happened to it yet.</Empty>;
  return (
    <>
      {undo.error && <Failure error={undo.error} />}
      <ol className="history">
        {items.map((item, index) => (
          <li key={item.position}>
            <p>
              <b>{name(item.user_id)}</b> {item.title}
              <time className="quiet" dateTime={item.at} title={when(item.at)}>
                {ago(item.at, now)}
              </time>
            </p>
            {item.changes.map((change) => (
              <div key={change.field} className="change">
                <span className="quiet">{change.field}</span>
                {change.diff ? (
                  <pre>{change.diff}</pre>
                ) : (
                  <span>
                    {change.from !== undefined && change.from !== null && <del>{shown(change.from)}</del>}{" "}
                    {change.to !== undefined && change.to !== null && <ins>{shown(change.to)}</ins>}
                  </span>
                )}
              </div>
            ))}
            {canUndo(item) &&
              (undoDeletes(kind, item, index === items.length - 1 && !read.hasNextPage) ? (
                <Confirm
                  small
                  label="Undo"
                  aria={`Undo: ${item.title}`}
                  title={`Undo “${item.title}”?`}
                  yes="Undo and delete"
                  disabled={asOf !== undefined || undo.isPending}
                  onYes={() => undo.mutate(item.position)}
                >
                  <p>
                    This deletes {THIS[kind]}, since that is how it came to be here. Undoing the deletion brings it
                    back.
                  </p>
                </Confirm>
              ) : (
                <button
                  type="button"
                  className="button small"
                  disabled={asOf !== undefined || undo.isPending}
                  aria-label={`Undo: ${item.title}`}
                  onClick={() => undo.mutate(item.position)}
                >
                  Undo
                </button>
              ))}
          </li>
        ))}
      </ol>
      {read.hasNextPage && (
        <button type="button" className="button small" onClick={() => void read.fetchNextPage()}>
          Earlier
        </button>
      )}
    </>
  );
}
