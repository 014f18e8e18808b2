import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Schema, unwrap } from "../../api/client";
import { moment, past } from "../../api/queries";

/** What lists of datasets can be asked for. */
export interface Wanted {
  q: string;
  deleted: boolean;
  sort: "-updated_at" | "name" | "-bytes" | "-queries_7d";
}

/** The workspace's datasets, page by page. */
export const datasets = (wanted: Wanted, asOf?: string) =>
  infiniteQueryOptions({
    queryKey: ["datasets", moment(asOf), wanted],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/datasets", {
          params: {
            query: {
              limit: 50,
              sort: wanted.sort,
              ...(wanted.q && { q: wanted.q }),
              ...(wanted.deleted && { deleted: true }),
              ...(pageParam && { cursor: pageParam }),
              ...past(asOf),
            },
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** One dataset. */
export const dataset = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["dataset", moment(asOf), id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/datasets/{id}", { params: { path: { id }, query: past(asOf) }, signal })),
  });

/** Its first rows, as they are now. */
export const preview = (id: string) =>
  queryOptions({
    queryKey: ["dataset", "now", id, "preview"],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/datasets/{id}/preview", { params: { path: { id }, query: { limit: 100 } }, signal })),
  });

/** What a column holds. */
export interface ColumnProfile {
  name: string;
  type: string;
  count: number;
  nulls: number;
  distinct: number;
  distinct_exact: boolean;
  min: unknown;
  max: unknown;
  mean: number | null;
  deviation: number | null;
  quantiles: { share: number; value: unknown }[] | null;
  histogram: { from: unknown; to: unknown; count: number }[] | null;
  top: { value: unknown; count: number }[] | null;
  lengths: { min: number; max: number; mean: number } | null;
}

/** What a dataset holds. */
export interface Profile {
  rows: number;
  duplicate_rows: number;
  likely_keys: (string | string[])[];
  columns: ColumnProfile[];
}

/** What its columns hold. */
export const profile = (id: string) =>
  queryOptions({
    queryKey: ["dataset", "now", id, "profile"],
    queryFn: async ({ signal }) =>
      (await unwrap(
        api.GET("/api/v1/datasets/{id}/profile", { params: { path: { id } }, signal }),
      )) as unknown as Profile,
  });

/** Its versions, the newest first. */
export const versions = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["dataset", moment(asOf), id, "versions"],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/datasets/{id}/versions", {
          params: { path: { id }, query: { limit: 100, ...past(asOf) } },
          signal,
        }),
      ),
  });

/** Runs that used it. */
export const uses = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["runs", moment(asOf), { dataset: id }],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/runs", { params: { query: { dataset_id: id, limit: 50, ...past(asOf) } }, signal })),
  });

/** Whether SQL speaks of a table, as far as its text says. */
export function speaksOf(sql: string, name: string): boolean {
  const word = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(^|[^\\p{L}\\p{N}_])${word}($|[^\\p{L}\\p{N}_])`, "iu").test(sql);
}

/** The names of saved charts and contexts that use it: of the last two hundred charts, those whose SQL speaks of it. */
export const dependants = (id: string, name: string) =>
  queryOptions({
    queryKey: ["visualizations", "now", { dataset: id, name }],
    queryFn: async ({ signal }) => {
      const [charts, contexts] = await Promise.all([
        unwrap(api.GET("/api/v1/visualizations", { params: { query: { limit: 200 } }, signal })),
        unwrap(api.GET("/api/v1/contexts", { params: { query: { dataset_id: id, limit: 50 } }, signal })),
      ]);
      return {
        charts: charts.items.filter(({ sql }) => speaksOf(sql, name)).map((each) => each.name),
        contexts: contexts.items.map((each) => each.name),
      };
    },
  });

/** The SQL that shows a table's first rows. */
export function firstRows(name: string): string {
  return `SELECT *\nFROM ${/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`}\nLIMIT 100`;
}

/** Where SQL is asked. */
export function queryAddress(sql: string): string {
  return `/query?sql=${encodeURIComponent(sql)}`;
}

export type Dataset = Schema<"Dataset">;
