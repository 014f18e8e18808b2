import { expect, test } from "vitest";
import { faults } from "./check";

const COLUMNS = [{ name: "grp" }, { name: "a.b" }];

test("kinds and columns that there are not are told", () => {
  expect(faults({ mark: "barr", encoding: { x: { field: "grop" }, y: { aggregate: "count" } } }, COLUMNS)).toEqual([
    expect.stringContaining("There is no mark “barr”"),
    "There is no column “grop” for x. There are: grp, a.b.",
  ]);
});

test("what is there, or is made by the specification, is not", () => {
  const encoding = { x: { field: "a\\.b" }, y: { field: "size" }, tooltip: [{ field: "grp" }] };
  const transform = [{ joinaggregate: [{ op: "count", as: "size" }], groupby: ["grp"] }];
  expect(faults({ transform, layer: [{ mark: { type: "bar" }, encoding }] }, COLUMNS)).toEqual([]);
  expect(faults({ mark: "bar", encoding: { x: { field: { repeat: "column" } } } }, COLUMNS)).toEqual([]);
});
