import type { Schema } from "../api/client";

/** The share of values that are missing in a table. */
export function missingShare(dataset: Schema<"Dataset">): number | null {
  const cells = (dataset.rows ?? 0) * dataset.columns.length;
  if (cells === 0) return null;
  let missing = 0;
  for (const column of dataset.columns)
    for (const each of Object.values((column.missing ?? {}) as Record<string, number>)) missing += each;
  return missing / cells;
}
