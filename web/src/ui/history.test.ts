import { expect, test } from "vitest";
import { canUndo, undoDeletes } from "./history";

test("what only followed from something cannot be undone", () => {
  const by = (actor: string, type: string) => canUndo({ actor, type });
  expect(by("user:1", "weir.dataset.renamed.v1")).toBe(true);
  expect(by("system:ingest", "weir.dataset.ingested.v1")).toBe(false);
  expect(by("user:1", "weir.query.executed.v1")).toBe(false);
});

test("undoing what made a thing deletes it", () => {
  expect(undoDeletes("datasets", { type: "weir.dataset.uploaded.v2" }, true)).toBe(true);
  expect(undoDeletes("datasets", { type: "weir.dataset.uploaded.v2" }, false)).toBe(false);
  expect(undoDeletes("datasets", { type: "weir.dataset.restored.v1" }, false)).toBe(true);
  expect(undoDeletes("queries", { type: "weir.query.saved.v1" }, false)).toBe(true);
});
