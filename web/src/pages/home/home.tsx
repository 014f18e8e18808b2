import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { api, type Schema, unwrap } from "../../api/client";
import { useNames } from "../../api/names";
import { dashboard, moment, past } from "../../api/queries";
import { useAsOf } from "../../lib/as-of";
import { bursts } from "../../lib/bursts";
import { useNow } from "../../lib/clock";
import { missingShare } from "../../lib/datasets";
import { ago, bytes, count, duration, percent, plural, when } from "../../lib/format";
import { useSize } from "../../lib/sizes";
import { useTitle } from "../../lib/title";
import { Card, Empty, Loaded, Skeleton } from "../../ui/card";
import { DropZone, SampleData, UploadList } from "../../upload/drop-zone";
import { AskBar } from "./ask-bar";
import { Insights } from "./insights";
import "../../styles/datasets.css";
import { Link } from "../../ui/link";
import { Sparkline } from "../../ui/sparkline";

const Thumbnail = lazy(() => import("../../charts/thumbnail"));

type Dashboard = Schema<"Dashboard">;

/** What we have, what was asked lately, what is used, what to do next. */
export function Home() {
  useTitle("Home");
  const [asOf] = useAsOf();
  const read = useQuery(dashboard(asOf));
  const pending = read.data === undefined && !read.error;
  const [first, firstSize] = useSize("home first", pending);
  const empty = read.data?.overview.datasets === 0 && read.data.recent.uploads.length === 0 && !asOf;
  return (
    <div className="page home" aria-busy={read.isPending}>
      <h1 className="for-readers">Home</h1>
      <AskBar />
      <Figures read={read.data} />
      <div ref={first} style={firstSize ? { blockSize: firstSize } : undefined}>
        {empty && (
          <section className="first" aria-label="Begin">
            <h2>Bring some data</h2>
            <DropZone>
              <SampleData />
            </DropZone>
          </section>
        )}
      </div>
      <UploadList />
      <div className="home-grid">
        <div className="column">
          <Card title="Datasets" part="home Datasets" pending={pending}>
            <Loaded read={read} skeleton={<Skeleton lines={3} height={84} />}>
              {(data) => <Datasets data={data} />}
            </Loaded>
          </Card>
          <Card title="Charts" part="home Charts" pending={pending}>
            <Loaded read={read} skeleton={<Skeleton lines={2} height={140} />}>
              {(data) => <Gallery items={data.gallery} />}
            </Loaded>
          </Card>
        </div>
        <div className="column">
          <Card title="Recent queries" part="home Recent queries" pending={pending}>
            <Loaded read={read} skeleton={<Skeleton lines={9} height={38} />}>
              {(data) => <Queries items={data.recent.queries} />}
            </Loaded>
          </Card>
          <Card title="Recent uploads" part="home Recent uploads" pending={pending}>
            <Loaded read={read} skeleton={<Skeleton lines={5} height={18} />}>
              {(data) => <Uploads items={data.recent.uploads} />}
            </Loaded>
          </Card>
        </div>
        <div className="column">
          <Card title="What to do next" part="home What to do next" pending={pending}>
            <Loaded read={read} skeleton={<Skeleton lines={5} height={84} />}>
              {(data) => <Insights insights={data.insights} />}
            </Loaded>
          </Card>
          <Card title="Activity" part="home Activity" pending={pending}>
            <Loaded read={read} skeleton={<Skeleton lines={8} height={24} />}>
              {(data) => <Activity items={data.activity} />}
            </Loaded>
          </Card>
        </div>
      </div>
    </div>
  );
}

/** The figures of the workspace, each with its course over the last days. */
function Figures({ read }: { read: Dashboard | undefined }) {
  const overview = read?.overview;
  const days = read?.usage.days ?? [];
  const figures = [
    {
      name: "Datasets",
      value: count(overview?.datasets),
      more: overview && `${bytes(overview.total_bytes)}, ${plural(overview.total_rows, "row")}`,
      course: days.map((day) => day.uploads),
      of: "Uploads",
    },
    {
      name: "Queries today",
      value: count(overview?.queries_today),
      more: overview && (overview.p95_ms == null ? "none measured yet" : `p95 ${duration(overview.p95_ms)}`),
      course: days.map((day) => day.queries),
      of: "Queries",
    },
    {
      name: "Cache hit rate",
      value: percent(overview?.cache_hit_rate),
      more: overview && `of ${plural(overview.queries, "query", "queries")}`,
      course: days.map((day) => day.cache_hit_rate ?? null),
      of: "Cache hit rate",
    },
    {
      name: "Charts",
      value: count(overview?.visualizations),
      more: overview && plural(overview.contexts, "context"),
      course: days.map((day) => day.visualizations),
      of: "Charts saved",
    },
  ];
  return (
    <dl className="figures" aria-label="Figures">
      {figures.map(({ name, value, more, course, of }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <b>{overview ? value : <span className="placeholder" />}</b>
            <span>{more || "\u00a0"}</span>
          </dd>
          <dd className="course">
            <Sparkline values={course} label={`${of} by day over the last ${days.length} days`} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

const STATUS: Record<string, string> = { ingesting: "being read", rejected: "rejected", deleted: "deleted" };

function Datasets({ data }: { data: Dashboard }) {
  const now = useNow();
  const used = new Map(data.insights.most_used_datasets.map((each) => [each.id, each]));
  // The newest first come with the answer; those that are used most lead.
  const items = [...data.recent.uploads].sort(
    (a, b) => (used.get(b.id)?.queries ?? b.queries_7d) - (used.get(a.id)?.queries ?? a.queries_7d),
  );
  if (items.length === 0) return <Empty>There are no files yet. A file that you upload becomes a table.</Empty>;
  return (
    <ul className="datasets">
      {items.slice(0, 6).map((dataset) => (
        <li key={dataset.id} className="dataset">
          <p className="dataset-name">
            <Link to={`/datasets/${dataset.id}`} title={dataset.name}>
              {dataset.name}
            </Link>
            {dataset.version && <span className="tag">v{dataset.version}</span>}
            {STATUS[dataset.status] && (
              <span className="tag" data-kind={dataset.status}>
                {STATUS[dataset.status]}
              </span>
            )}
          </p>
          <p className="dataset-size">
            {dataset.rows == null
              ? (dataset.rejection?.detail ?? bytes(dataset.bytes))
              : `${count(dataset.rows)} × ${dataset.columns.length}`}
            {dataset.rows != null && <span>{bytes(dataset.bytes)}</span>}
          </p>
          <p className="quiet dataset-use">
            <span title={when(dataset.updated_at)}>{ago(dataset.updated_at, now)}</span>
            {missingShare(dataset) !== null && <span>{percent(missingShare(dataset))} missing</span>}
            <span>{plural(dataset.queries_7d, "query", "queries")} in 7 days</span>
          </p>
        </li>
      ))}
    </ul>
  );
}

function Queries({ items }: { items: Schema<"Run">[] }) {
  const now = useNow();
  const name = useNames();
  if (items.length === 0) return <Empty>Nothing was asked yet.</Empty>;
  return (
    <ol className="runs">
      {items.map((run) => (
        <li key={run.run_id} data-failed={run.status === "failed" || undefined}>
          <Link to={`/query?sql=${encodeURIComponent(run.sql)}`}>
            <code title={run.sql}>{run.query_name ?? run.question ?? run.sql}</code>
          </Link>
          <p className="quiet">
            <span>{name(run.user_id)}</span>
            <span title={when(run.at)}>{ago(run.at, now)}</span>
            {run.error ? (
              <span className="bad" title={run.error.detail}>
                {run.error.code}
              </span>
            ) : (
              <span>{plural(run.rows, "row")}</span>
            )}
            <span>{duration(run.elapsed_ms)}</span>
            {run.cache.hit && (
              <span className="tag" title="Answered from the cache">
                tier {run.cache.tier}
              </span>
            )}
          </p>
        </li>
      ))}
    </ol>
  );
}

function Uploads({ items }: { items: Schema<"Dataset">[] }) {
  const now = useNow();
  const name = useNames();
  if (items.length === 0) return <Empty>Nothing was uploaded yet.</Empty>;
  return (
    <ul className="lines">
      {items.slice(0, 5).map((dataset) => (
        <li key={dataset.id}>
          <Link to={`/datasets/${dataset.id}`}>{dataset.file_name ?? dataset.name}</Link>
          <span className="quiet">
            {name(dataset.created_by)}, {ago(dataset.created_at, now)}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Gallery({ items }: { items: Schema<"Visualization">[] }) {
  if (items.length === 0) return <Empty>No chart was saved yet.</Empty>;
  return (
    <ul className="gallery">
      {items.slice(0, 4).map((chart) => (
        <li key={chart.id}>
          <Link to={`/charts/${chart.id}`}>
            <div className="thumbnail">
              <Suspense>
                <Thumbnail chart={chart} />
              </Suspense>
            </div>
            <p title={chart.name}>{chart.name}</p>
          </Link>
        </li>
      ))}
    </ul>
  );
}

const KINDS = [
  ["", "All"],
  ["dataset", "Data"],
  ["query", "Queries"],
  ["visualization", "Charts"],
  ["context", "Contexts"],
] as const;

function Activity({ items }: { items: Schema<"Activity">[] }) {
  const [asOf] = useAsOf();
  const [kind, setKind] = useState("");
  // The last things of all may hold none of a kind; the last of the kind are asked for.
  const read = useQuery({
    queryKey: ["activity", moment(asOf), "lately", kind],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/activity", { params: { query: { limit: 50, aggregate: kind, ...past(asOf) } }, signal })),
    enabled: kind !== "",
  });
  return (
    <>
      <fieldset className="chips">
        <legend className="for-readers">Show</legend>
        {KINDS.map(([value, label]) => (
          <label key={value}>
            <input type="radio" name="activity" checked={kind === value} onChange={() => setKind(value)} />
            {label}
          </label>
        ))}
      </fieldset>
      {kind ? (
        <Loaded read={read} skeleton={<Skeleton lines={8} height={24} />}>
          {(data) => <Feed items={data.items} nothing="Nothing of that kind has happened." />}
        </Loaded>
      ) : (
        <Feed items={items} nothing="Nothing has happened yet." />
      )}
    </>
  );
}

function Feed({ items, nothing }: { items: Schema<"Activity">[]; nothing: string }) {
  const now = useNow();
  const name = useNames();
  if (items.length === 0) return <Empty>{nothing}</Empty>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled has to be reached by keys
    <ol className="feed" tabIndex={0}>
      {bursts(items)
        .slice(0, 14)
        .map(({ items: [first, ...rest] }) =>
          first ? (
            <li key={first.position} data-aggregate={first.aggregate}>
              <p>
                <b>{name(first.user_id)}</b> {first.title}{" "}
                {rest.length > 0 && <span className="tag">and {rest.length} more like it</span>}
              </p>
              <time className="quiet" dateTime={first.at} title={when(first.at)}>
                {ago(first.at, now)}
              </time>
            </li>
          ) : null,
        )}
    </ol>
  );
}
