import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, type Schema, unwrap } from "../../api/client";
import { plural } from "../../lib/format";
import { Empty, Failure } from "../../ui/card";
import { Rows } from "../../ui/rows";
import type { Parsed } from "./queries";

/** A metric by a dimension, asked at once: the quickest way to see whether a context is right. */
export function Try({ name, metrics, parsed }: { name: string; metrics: string[]; parsed: Parsed }) {
  const [metric, setMetric] = useState(metrics[0] ?? "");
  const [dimension, setDimension] = useState("");
  const [filter, setFilter] = useState("");
  const ask = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/queries", {
          body: {
            context: name,
            metrics: [metric],
            ...(dimension && { dimensions: [dimension] }),
            ...(filter && { filters: [filter] }),
            limit: 200,
          } as Schema<"Ask">,
        }),
      ),
  });
  const columns = parsed.datasets.flatMap((each) => (each.columns ?? []).map((column) => `${each.id}.${column.name}`));
  if (metrics.length === 0) return <Empty>It has no metrics to try.</Empty>;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask.mutate();
      }}
    >
      <div className="filters">
        <label>
          Metric{" "}
          <select value={metric} onChange={(event) => setMetric(event.target.value)}>
            {metrics.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <label>
          by{" "}
          <input
            list="dimensions"
            placeholder="dataset.column"
            value={dimension}
            onChange={(event) => setDimension(event.target.value)}
          />
        </label>
        <datalist id="dimensions">
          {columns.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
        <label>
          where{" "}
          <input placeholder="origin = 'JFK'" value={filter} onChange={(event) => setFilter(event.target.value)} />
        </label>
        <button type="submit" className="button primary" disabled={ask.isPending}>
          Try it
        </button>
      </div>
      {ask.error && <Failure error={ask.error} />}
      {ask.data && (
        <>
          <pre className="sql">{ask.data.sql}</pre>
          <p className="quiet">
            {plural(ask.data.row_count, "row")}.{" "}
            <Link to={`/query?context=${encodeURIComponent(name)}&sql=${encodeURIComponent(ask.data.sql)}`}>
              Open as a query
            </Link>
          </p>
          <Rows label="Result" columns={ask.data.columns} rows={ask.data.rows as unknown[][]} />
        </>
      )}
    </form>
  );
}
