import { infiniteQueryOptions, queryOptions, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, type Schema, unwrap } from "../../api/client";
import { moment, past } from "../../api/queries";
import { grouping } from "../../charts/group";

type Spec = Record<string, unknown>;

/** What is known of bins where there are none. */
const NOTHING: unknown[] = [];

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

/** Rows that a chart is drawn over once it is saved, at most: in a list of charts, and for those who ask the API. */
const KEPT = 10_000;

/** What a chart is drawn over: the answer to its SQL. */
export const data = (sql: string) =>
  queryOptions({
    queryKey: ["chart data", sql],
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/v1/queries", { body: { sql, limit: ROWS } as Schema<"Ask">, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

/** What a chart in the making is drawn over: all rows, grouped in SQL where its query has more than charts are given. */
export function useDrawn(sql: string, spec: Spec | undefined) {
  const rows = useQuery(data(sql));
  const cut = rows.data !== undefined && (rows.data.truncated || rows.data.row_count > KEPT);
  const columns = rows.data?.columns;
  const plan = useMemo(
    () => (cut && spec && columns ? grouping(sql, spec, columns) : undefined),
    [cut, sql, spec, columns],
  );
  const bounds = useQuery({ ...data(plan?.bounds ?? ""), enabled: plan?.bounds !== undefined });
  const known = plan?.bounds === undefined ? NOTHING : (bounds.data?.rows as unknown[][] | undefined)?.[0];
  const made = useMemo(() => known && plan?.with(known), [plan, known]);
  const grouped = useQuery({ ...data(made?.sql ?? ""), enabled: made !== undefined });
  const failed = bounds.error ?? grouped.error;
  // Where it cannot be grouped after all, the first rows are better than nothing.
  const whole = failed ? undefined : made;
  return {
    rows,
    /** The chart over groups, where there is one. */
    grouped: whole,
    /** Its rows, or those of the query itself. */
    drawn: plan && !failed ? grouped : rows,
    /** Whether it is still to be seen what is drawn. */
    pending: plan !== undefined && !failed && !grouped.data,
    failed,
  };
}

/** Charts that would suit what is asked for. */
export const suggestions = (wanted: { sql?: string; dataset_id?: string; text?: string }) =>
  queryOptions({
    queryKey: ["chart suggestions", wanted],
    queryFn: ({ signal }) => unwrap(api.POST("/api/v1/visualizations/suggest", { body: wanted, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
