import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Schema, unwrap } from "../../api/client";
import { moment, past } from "../../api/queries";

/** Saved charts, page by page. */
export const charts = (q: string, asOf?: string) =>
  infiniteQueryOptions({
    queryKey: ["visualizations", moment(asOf), { q }],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/visualizations", {
          params: { query: { limit: 24, ...(q && { q }), ...(pageParam && { cursor: pageParam }), ...past(asOf) } },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** One saved chart. */
export const chart = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["visualization", moment(asOf), id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/visualizations/{id}", { params: { path: { id }, query: past(asOf) }, signal })),
  });

/** Rows that a chart in the making is drawn over, at most. */
export const ROWS = 50_000;

/** What a chart is drawn over: the answer to its SQL. */
export const data = (sql: string) =>
  queryOptions({
    queryKey: ["chart data", sql],
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/v1/queries", { body: { sql, limit: ROWS } as Schema<"Ask">, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

/** Charts that would suit what is asked for. */
export const suggestions = (wanted: { sql?: string; dataset_id?: string; text?: string }) =>
  queryOptions({
    queryKey: ["chart suggestions", wanted],
    queryFn: ({ signal }) => unwrap(api.POST("/api/v1/visualizations/suggest", { body: wanted, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
