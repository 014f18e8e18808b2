import { useLiveState } from "../api/live";
import { momentSaid, useAsOf } from "../lib/as-of";

const SAID = {
  connecting: ["Connecting", "The page is about to follow what happens."],
  live: ["Live", "The page shows what happens as it happens."],
  reconnecting: ["Reconnecting", "The connection broke off. The page goes on where it was once there is one again."],
  offline: ["Offline", "There is no network. What you see is from before."],
} as const;

/** Whether what one sees is now. */
export function LiveBadge() {
  const state = useLiveState();
  const [asOf] = useAsOf();
  const [name, meaning] = asOf
    ? [`As of ${momentSaid(asOf).said}`, "The page shows a moment of the past."]
    : SAID[state];
  return (
    <span className="badge" data-state={asOf ? "past" : state} role="status" title={meaning}>
      <i aria-hidden="true" />
      <span>{name}</span>
    </span>
  );
}
