import { queryOptions } from "@tanstack/react-query";
import { readFrom } from "../../api/change";
import { api, type Schema, unwrap } from "../../api/client";
import { moment, past } from "../../api/queries";

/** Tables with their columns, for completion. */
export const tables = () =>
  queryOptions({
    queryKey: ["datasets", "now", "names"],
    queryFn: async ({ signal }) => {
      const { items } = await unwrap(
        api.GET("/api/v1/datasets", { params: { query: { limit: 200, status: "ready" } }, signal }),
      );
      return Object.fromEntries(items.map((each) => [each.name, each.columns.map((column) => column.name)]));
    },
  });

/** The workspace's contexts. */
export const contexts = () =>
  queryOptions({
    queryKey: ["contexts", "now", "names"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/contexts", { params: { query: { limit: 200 } }, signal })),
  });

/** A query by its pattern. */
export const query = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["query", moment(asOf), id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/queries/{query_id}", { params: { path: { query_id: id }, query: past(asOf) }, signal })),
  });

/** What was asked last. */
export const lately = (asOf?: string) =>
  queryOptions({
    queryKey: ["runs", moment(asOf), "lately"],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/runs", { params: { query: { limit: 30, ...past(asOf) } }, signal })),
  });

/** The queries that have a name. */
export const saved = (asOf?: string) =>
  queryOptions({
    queryKey: ["queries", moment(asOf), "saved"],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/queries", { params: { query: { saved: true, limit: 50, ...past(asOf) } }, signal })),
  });

/** How a run came about. */
export const receipt = (run: string) =>
  queryOptions({
    queryKey: ["runs", "as of its own moment", run, "receipt"],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/runs/{run_id}/receipt", { params: { path: { run_id: run } }, signal })),
  });

/** What the engine does for SQL. Over the same versions of its datasets that does not change. */
export const planOf = (sql: string) =>
  queryOptions({
    queryKey: ["runs", "as of its own moment", sql, "plan"],
    queryFn: ({ signal }) => unwrap(api.POST("/api/v1/queries/plan", { body: { sql } as Schema<"Ask">, signal })),
  });

/** Which language model answers one's questions, if any does. */
export const myModel = () =>
  queryOptions({
    queryKey: ["me", "model"],
    queryFn: ({ signal }) => readFrom<Schema<"MyModel">>("/api/v1/me/model", signal),
  });
