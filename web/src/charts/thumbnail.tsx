import { useQuery } from "@tanstack/react-query";
import { api, type Schema, unwrap } from "../api/client";
import { plural } from "../lib/format";
import { Failure } from "../ui/card";
import Chart from "./chart";
import { combines } from "./group";

/** A saved chart, small, with the data of now. */
export default function Thumbnail({ chart }: { chart: Schema<"Visualization"> }) {
  const data = useQuery({
    queryKey: ["visualization", "data", chart.id, chart.revision],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/visualizations/{id}/data", { params: { path: { id: chart.id } }, signal })),
  });
  if (data.error) return <Failure error={data.error} />;
  if (!data.data) return null;
  const spec = chart.spec as Record<string, unknown>;
  return (
    <>
      {data.data.truncated && combines(spec) && (
        // A mean over the first rows is not that over all.
        <span className="tag part">of the first {plural(data.data.row_count, "row")}</span>
      )}
      <Chart spec={spec} table={data.data} label={chart.name} thumbnail />
    </>
  );
}
