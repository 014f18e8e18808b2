import { useMutation, useQueryClient } from "@tanstack/react-query";
import { authorizedFetch, failure } from "./client";

/**
 * A change by its address, and the reads that it makes stale, by the first part of their keys.
 *
 * For changes with little to type: their answers are shown, or nothing is.
 */
export function useChange<Answer = unknown, Input = void>(
  request: (input: Input) => { method: string; address: string; body?: unknown },
  stale: string[],
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (input: Input): Promise<Answer> => {
      const { method, address, body } = request(input);
      const response = await authorizedFetch(
        new Request(address, {
          method,
          headers: { "Content-Type": "application/json" },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      );
      if (!response.ok) throw await failure(response);
      const text = await response.text();
      return (text ? JSON.parse(text) : undefined) as Answer;
    },
    onSuccess: () => client.invalidateQueries({ predicate: ({ queryKey }) => stale.includes(String(queryKey[0])) }),
  });
}

/** A read by its address. */
export async function readFrom<T>(address: string, signal?: AbortSignal): Promise<T> {
  const response = await authorizedFetch(new Request(address, signal ? { signal } : {}));
  if (!response.ok) throw await failure(response);
  return (await response.json()) as T;
}
