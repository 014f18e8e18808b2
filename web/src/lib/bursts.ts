import type { Schema } from "../api/client";

/** Things of one kind that somebody did in a row. */
export interface Burst {
  /** The newest first. */
  items: Schema<"Activity">[];
  actor: string;
  type: string;
}

/** Milliseconds between two things that still count as one burst. */
const GAP = 5 * 60_000;

/** Puts together what one actor did of one kind in a row, so that a hundred runs take one line. */
export function bursts(activity: Schema<"Activity">[]): Burst[] {
  const found: Burst[] = [];
  for (const item of activity) {
    const last = found.at(-1);
    const before = last?.items.at(-1);
    if (
      last &&
      before &&
      last.actor === item.actor &&
      last.type === item.type &&
      Math.abs(Date.parse(before.at) - Date.parse(item.at)) <= GAP
    )
      last.items.push(item);
    else found.push({ items: [item], actor: item.actor, type: item.type });
  }
  return found;
}
