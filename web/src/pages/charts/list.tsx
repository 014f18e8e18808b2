import { useInfiniteQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useNames } from "../../api/names";
import { useAsOf } from "../../lib/as-of";
import { useNow } from "../../lib/clock";
import { ago, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/charts.css";
import "../../styles/datasets.css";
import { Card, Empty, Failure, Skeleton } from "../../ui/card";
import { Link } from "../../ui/link";
import { charts } from "./queries";

const Thumbnail = lazy(() => import("../../charts/thumbnail"));

/** All saved charts. */
export default function Charts() {
  useTitle("Charts");
  const [asOf] = useAsOf();
  const [q, setQ] = useState("");
  const name = useNames();
  const now = useNow();
  const read = useInfiniteQuery(charts(q, asOf));
  const items = read.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="page">
      <h1>Charts</h1>
      <div className="stack">
        <Card
          title="Saved charts"
          action={
            <Link className="button primary" to="/charts/new">
              New chart
            </Link>
          }
        >
          <search className="filters">
            <input
              type="search"
              aria-label="Search charts"
              placeholder="Search names and descriptions"
              value={q}
              onChange={(event) => setQ(event.target.value)}
            />
          </search>
          {read.error ? (
            <Failure error={read.error} retry={() => void read.refetch()} />
          ) : read.isPending ? (
            <Skeleton lines={2} height={170} />
          ) : items.length === 0 ? (
            <Empty action={<Link to="/charts/new">Make one</Link>}>
              {q ? "No chart has that in its name." : "No chart was saved yet."}
            </Empty>
          ) : (
            <ul className="gallery wide">
              {items.map((chart) => (
                <li key={chart.id}>
                  <Link to={`/charts/${chart.id}`}>
                    <div className="thumbnail">
                      <Suspense>
                        <Thumbnail chart={chart} />
                      </Suspense>
                    </div>
                    <p title={chart.name}>{chart.name}</p>
                  </Link>
                  <p className="quiet" title={when(chart.updated_at)}>
                    {name(chart.updated_by ?? chart.created_by)}, {ago(chart.updated_at, now)}
                  </p>
                </li>
              ))}
            </ul>
          )}
          {read.hasNextPage && (
            <button type="button" className="button small" onClick={() => void read.fetchNextPage()}>
              More
            </button>
          )}
        </Card>
      </div>
    </div>
  );
}
