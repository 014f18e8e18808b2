import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schema, unwrap } from "../../api/client";
import { useAsOf } from "../../lib/as-of";
import { plural } from "../../lib/format";
import { Empty, Failure } from "../../ui/card";
import { Link } from "../../ui/link";
import { Rows } from "../../ui/rows";
import { NOTHING_PICKED, Pick, type Picked, wanted } from "./pick";
import type { Parsed } from "./queries";

/** Metrics by dimensions, asked at once: the quickest way to see whether a context is right. */
export function Try({ name, metrics, parsed }: { name: string; metrics: string[]; parsed: Parsed }) {
  const [asOf] = useAsOf();
  const [picked, setPicked] = useState<Picked>({ ...NOTHING_PICKED, metrics: metrics.slice(0, 1) });
  const ask = useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/v1/queries", { body: { ...wanted(name, picked, parsed), limit: 200 } as Schema<"Ask"> })),
  });
  if (metrics.length === 0) return <Empty>It has no metrics to try.</Empty>;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask.mutate();
      }}
    >
      <Pick metrics={metrics} parsed={parsed} value={picked} onChange={setPicked} />
      <p className="drop-buttons">
        <button
          type="submit"
          className="button primary"
          disabled={ask.isPending || asOf !== undefined || picked.metrics.length + picked.dimensions.length === 0}
        >
          Try it
        </button>
        {asOf && <span className="quiet">Questions are asked in the present.</span>}
      </p>
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
