import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schema, unwrap } from "../../api/client";
import { useNames } from "../../api/names";
import { moment, past } from "../../api/queries";
import { useAsOf } from "../../lib/as-of";
import { bursts } from "../../lib/bursts";
import { useNow } from "../../lib/clock";
import { ago, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import { Card, Empty, Failure, Skeleton } from "../../ui/card";
import { Link } from "../../ui/link";

const KINDS = [
  ["", "Everything"],
  ["dataset", "Data"],
  ["query", "Queries"],
  ["visualization", "Charts"],
  ["context", "Contexts"],
  ["member", "Members"],
  ["webhook", "Webhooks"],
] as const;

/** Where what an event is about can be seen. */
export function placeOf(item: Schema<"Activity">): string | undefined {
  const place = { dataset: "datasets", query: "queries", visualization: "charts", context: "contexts" }[item.aggregate];
  return place && `/${place}/${item.subject_id}`;
}

/** Everything that has happened, the newest first. */
export default function ActivityPage() {
  useTitle("Activity");
  const [asOf] = useAsOf();
  const name = useNames();
  const now = useNow();
  const [kind, setKind] = useState("");
  const [since, setSince] = useState("");
  const read = useInfiniteQuery({
    queryKey: ["activity", moment(asOf), { kind, since }],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/activity", {
          params: {
            query: {
              limit: 100,
              ...(kind && { aggregate: [kind] as never }),
              ...(since && { since }),
              ...(pageParam && { cursor: pageParam }),
              ...past(asOf),
            },
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const items = read.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="page">
      <h1>Activity</h1>
      <div className="stack">
        <Card title="What has happened">
          <div className="filters">
            <fieldset className="chips">
              <legend className="for-readers">Show</legend>
              {KINDS.map(([value, label]) => (
                <label key={value}>
                  <input type="radio" name="kind" checked={kind === value} onChange={() => setKind(value)} />
                  {label}
                </label>
              ))}
            </fieldset>
            <label>
              Since <input type="date" value={since} onChange={(event) => setSince(event.target.value)} />
            </label>
          </div>
          {read.error ? (
            <Failure error={read.error} retry={() => void read.refetch()} />
          ) : read.isPending ? (
            <Skeleton lines={12} height={28} />
          ) : items.length === 0 ? (
            <Empty>Nothing of that kind has happened.</Empty>
          ) : (
            <ol className="feed">
              {bursts(items).map(({ items: [first, ...rest] }) => {
                if (!first) return null;
                const place = placeOf(first);
                return (
                  <li key={first.position} data-aggregate={first.aggregate}>
                    <p>
                      <b>{name(first.user_id)}</b> {place ? <Link to={place}>{first.title}</Link> : first.title}{" "}
                      {rest.length > 0 && <span className="tag">and {rest.length} more like it</span>}
                    </p>
                    <time className="quiet" dateTime={first.at} title={when(first.at)}>
                      {ago(first.at, now)}
                    </time>
                  </li>
                );
              })}
            </ol>
          )}
          {read.hasNextPage && (
            <button
              type="button"
              className="button small"
              disabled={read.isFetchingNextPage}
              onClick={() => void read.fetchNextPage()}
            >
              Earlier
            </button>
          )}
        </Card>
      </div>
    </div>
  );
}
