import { queryOptions } from "@tanstack/react-query";
import { api, authorizedFetch, failure, unwrap } from "../../api/client";
import { moment, past } from "../../api/queries";

/** All contexts. */
export const contexts = (q: string, asOf?: string) =>
  queryOptions({
    queryKey: ["contexts", moment(asOf), { q }],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/contexts", { params: { query: { limit: 200, ...(q && { q }), ...past(asOf) } }, signal }),
      ),
  });

/** One context, with its text. */
export const context = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["context", moment(asOf), id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/contexts/{id}", { params: { path: { id }, query: past(asOf) }, signal })),
  });

/** Its versions. */
export const versions = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["context", moment(asOf), id, "versions"],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/contexts/{id}/versions", {
          params: { path: { id }, query: { limit: 100, ...past(asOf) } },
          signal,
        }),
      ),
  });

/** What a context says, taken apart. */
export interface Parsed {
  datasets: { id: string; name?: string; dataset_id?: string; columns?: { name: string }[] }[];
  relationships: {
    id: string;
    left_dataset: string;
    right_dataset: string;
    cardinality?: string;
    conditions?: { left_column: string; right_column: string }[];
  }[];
  metrics: { id?: string; name: string; description?: string; dataset?: string }[];
  filters: { id: string; parameters?: { name: string; data_type?: string; default?: unknown }[] }[];
}

/** A saved context, taken apart. */
export const parsed = (id: string, asOf?: string) =>
  queryOptions({
    queryKey: ["context", moment(asOf), id, "parsed"],
    queryFn: async ({ signal }) => {
      const params = new URLSearchParams({ format: "json", ...(asOf && { as_of: asOf }) });
      const response = await authorizedFetch(new Request(`/api/v1/contexts/${id}/export?${params}`, { signal }));
      if (!response.ok) throw await failure(response);
      const {
        datasets = [],
        relationships = [],
        metrics = [],
        filters = [],
      } = (await response.json()) as Partial<Parsed>;
      return { datasets, relationships, metrics, filters } satisfies Parsed;
    },
  });

/** What is wrong with a text that is to be a context. */
export const findings = (content: string) =>
  queryOptions({
    queryKey: ["context findings", content],
    queryFn: ({ signal }) => unwrap(api.POST("/api/v1/contexts/validate", { body: { content }, signal })),
    enabled: content.trim() !== "",
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
