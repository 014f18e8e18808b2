import { useQuery } from "@tanstack/react-query";
import { api, type Schema, unwrap } from "../api/client";
import { count } from "../lib/format";
import { Failure } from "../ui/card";
import Chart from "./chart";
import { combines } from "./group";

/** Rows that a chart is drawn over, at most. */
const ROWS = 50_000;

/** A saved chart, small, with the data of now. */
export default function Thumbnail({ chart }: { chart: Schema<"Visualization"> }) {
  const spec = chart.spec as Record<string, unknown>;
  // What combines rows needs as many as there are: a mean over the first ones is another one.
  const limit = combines(spec) ? ROWS : undefined;
  const data = useQuery({
    queryKey: ["visualization", "data", chart.id, chart.revision],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/visualizations/{id}/data", {
          params: { path: { id: chart.id }, query: { ...(limit && { limit }) } },
          signal,
        }),
      ),
  });
  if (data.error) return <Failure error={data.error} />;
  if (!data.data) return null;
  return (
    <>
      {data.data.truncated && limit && <span className="tag part">the first {count(limit)} rows only</span>}
      <Chart spec={spec} table={data.data} label={chart.name} thumbnail />
    </>
  );
}
