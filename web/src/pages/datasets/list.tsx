import { useInfiniteQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useAsOf } from "../../lib/as-of";
import { useNow } from "../../lib/clock";
import { missingShare } from "../../lib/datasets";
import { ago, bytes, count, percent, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import { Card, Empty, Failure, Skeleton } from "../../ui/card";
import { Link } from "../../ui/link";
import { Head } from "../../ui/table";
import { DropZone, SampleData, UploadList } from "../../upload/drop-zone";
import { datasets, type Wanted } from "./queries";

const SORTS: [Wanted["sort"], string][] = [
  ["-updated_at", "Changed last"],
  ["name", "Name"],
  ["-bytes", "Size"],
  ["-queries_7d", "Most used"],
];

/** All datasets, and where more come from. */
export default function Datasets() {
  useTitle("Datasets");
  const [asOf] = useAsOf();
  const now = useNow();
  const [wanted, setWanted] = useState<Wanted>({ q: "", deleted: false, sort: "-updated_at" });
  const read = useInfiniteQuery(datasets(wanted, asOf));
  const items = read.data?.pages.flatMap((page) => page.items) ?? [];
  const id = useId();
  return (
    <div className="page">
      <h1>Datasets</h1>
      <div className="stack">
        <DropZone disabled={asOf !== undefined}>
          <SampleData disabled={asOf !== undefined} />
        </DropZone>
        <UploadList />
        <Card title="All datasets">
          <search className="filters">
            <label className="for-readers" htmlFor={`${id}q`}>
              Search datasets
            </label>
            <input
              id={`${id}q`}
              type="search"
              placeholder="Search names and descriptions"
              value={wanted.q}
              onChange={(event) => setWanted({ ...wanted, q: event.target.value })}
            />
            <label>
              Sort by{" "}
              <select
                value={wanted.sort}
                onChange={(event) => setWanted({ ...wanted, sort: event.target.value as Wanted["sort"] })}
              >
                {SORTS.map(([value, name]) => (
                  <option key={value} value={value}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <label>
              <input
                type="checkbox"
                checked={wanted.deleted}
                onChange={(event) => setWanted({ ...wanted, deleted: event.target.checked })}
              />{" "}
              Deleted too
            </label>
          </search>
          {read.error ? (
            <Failure error={read.error} retry={() => void read.refetch()} />
          ) : read.isPending ? (
            <Skeleton lines={6} height={36} />
          ) : items.length === 0 ? (
            <Empty>{wanted.q ? "No dataset has that in its name or description." : "There are no files yet."}</Empty>
          ) : (
            <table className="list">
              <Head
                columns={[
                  "Name",
                  "Status",
                  { number: "Rows" },
                  { number: "Columns" },
                  { number: "Size" },
                  { number: "Missing" },
                  { number: "Queries, 7 days" },
                  "Changed",
                ]}
              />
              <tbody>
                {items.map((dataset) => (
                  <tr key={dataset.id}>
                    <th scope="row">
                      <Link to={`/datasets/${dataset.id}`}>{dataset.name}</Link>{" "}
                      {dataset.version && <span className="tag">v{dataset.version}</span>}
                      {dataset.description && <p className="quiet">{dataset.description}</p>}
                    </th>
                    <td>
                      <span className="tag" data-kind={dataset.status}>
                        {dataset.status === "ingesting" ? "being read" : dataset.status}
                      </span>
                    </td>
                    <td data-number data-label="Rows">
                      {count(dataset.rows)}
                    </td>
                    <td data-number data-label="Columns">
                      {dataset.columns.length || "–"}
                    </td>
                    <td data-number data-label="Size">
                      {bytes(dataset.bytes)}
                    </td>
                    <td data-number data-label="Missing">
                      {percent(missingShare(dataset))}
                    </td>
                    <td data-number data-label="Queries, 7 days">
                      {count(dataset.queries_7d)}
                    </td>
                    <td data-label="Changed" title={when(dataset.updated_at)}>
                      {ago(dataset.updated_at, now)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
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
