import { expect, test } from "vitest";
import type { Schema } from "../api/client";
import { bursts } from "./bursts";

const item = (position: number, type: string, actor: string, minute: number): Schema<"Activity"> => ({
  position,
  type,
  actor,
  at: new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString(),
  aggregate: "query",
  subject_id: String(position),
  title: "ran a query",
  detail: {},
});

test("what one does in a row is one line, and a pause, another kind or another person ends it", () => {
  const found = bursts([
    item(9, "ran", "ada", 30),
    item(8, "ran", "ada", 29),
    item(7, "ran", "bob", 29),
    item(6, "saved", "bob", 28),
    item(5, "saved", "bob", 10),
  ]);
  expect(found.map(({ items }) => items.map(({ position }) => position))).toEqual([[9, 8], [7], [6], [5]]);
});
