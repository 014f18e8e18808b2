import { describe, expect, it } from "vitest";
import { ago, bytes, compact, count, duration, NOTHING, percent, plural } from "./format";

describe("numbers", () => {
  it("sets thousands apart", () => expect(count(336_776)).toBe("336,776"));
  it("shortens for small places", () => expect(compact(336_776)).toBe("336.8K"));
  it("counts bytes in thousands, and never says 1000 of a unit", () => {
    expect([0, 999, 1000, 999_499, 999_500, 29_800_000].map(bytes)).toEqual([
      "0 B",
      "999 B",
      "1.0 kB",
      "999 kB",
      "1.0 MB",
      "29.8 MB",
    ]);
  });
  it("gives durations the unit that fits", () => {
    expect([0.42, 38.2, 999.4, 999.6, 61_000, 120_000, 59_949, 59_960].map(duration)).toEqual([
      "0.4 ms",
      "38 ms",
      "999 ms",
      "1.0 s",
      "1 min 1 s",
      "2 min",
      "59.9 s",
      "1 min",
    ]);
  });
  it("rounds shares without making something of nothing", () => {
    expect([0, 0.0001, 0.004, 0.73, 1].map(percent)).toEqual(["0 %", "< 0.1 %", "0.4 %", "73 %", "100 %"]);
  });
  it("says that there is nothing", () => {
    for (const format of [count, compact, bytes, duration, percent]) expect(format(null)).toBe(NOTHING);
  });
  it("knows one from many", () =>
    expect([0, 1, 2].map((n) => plural(n, "row"))).toEqual(["0 rows", "1 row", "2 rows"]));
});

describe("times", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  it.each([
    ["2026-03-01T11:59:50Z", "just now"],
    ["2026-03-01T12:00:20Z", "just now"],
    ["2026-03-01T11:55:00Z", "5 min. ago"],
    ["2026-03-01T09:00:00Z", "3 hr. ago"],
    ["2026-02-28T12:00:00Z", "yesterday"],
    ["2026-02-01T12:00:00Z", "last mo."],
    ["2024-03-01T12:00:00Z", "2 yr. ago"],
  ])("%s is %s", (at, said) => expect(ago(at, now)).toBe(said));
});
