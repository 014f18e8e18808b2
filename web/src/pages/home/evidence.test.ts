import { expect, test } from "vitest";
import { evidence } from "./evidence";

test("evidence is told in words and units, without what is not known", () => {
  const of = { runs: 1200, p95_ms: 1500, cache_hit_rate: 0.25, row: null, last_error: { code: "x", detail: "y" } };
  expect(evidence(of)).toEqual([
    ["runs", "1,200"],
    ["p95", "1.5 s"],
    ["cache hit rate", "25 %"],
    ["last error", "x: y"],
  ]);
});
