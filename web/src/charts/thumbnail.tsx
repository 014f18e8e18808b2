import { useQuery } from "@tanstack/react-query";
import { api, type Schema, unwrap } from "../api/client";
import { Failure } from "../ui/card";
import Chart from "./chart";

/** A saved chart, small, with the data of now. */
export default function Thumbnail({ chart }: { chart: Schema<"Visualization"> }) {
  const data = useQuery({
    queryKey: ["visualization", "data", chart.id, chart.revision],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/visualizations/{id}/data", { params: { path: { id: chart.id } }, signal })),
  });
  if (data.error) return <Failure error={data.error} />;
  if (!data.data) return null;
  return <Chart spec={chart.spec as Record<string, unknown>} table={data.data} label={chart.name} thumbnail />;
}
