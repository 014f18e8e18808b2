import { expect, test } from "vitest";
import { faultOf, momentSaid } from "./as-of";

const NOW = Date.parse("2026-03-10T12:00:00Z");

test("a moment is a time, a date or the position of an event, and has come", () => {
  for (const moment of ["2026-03-10T11:59:59.5Z", "2026-03-10T13:00:00+02:00", "2026-03-10", "2024-02-29", "17"])
    expect(faultOf(moment, NOW), moment).toBeUndefined();
  for (const moment of ["garbage", "10 March 2026", "2026-02-30", "2026-13-01", "2026-03-10T12:00", "-5", "1e400"])
    expect(faultOf(moment, NOW), moment).toBe("unreadable");
  for (const moment of ["2026-03-10T12:00:01Z", "2999-01-01"]) expect(faultOf(moment, NOW), moment).toBe("ahead");
});

test("a position is not taken for a year", () => {
  expect(momentSaid("2026")).toEqual({ after: true, said: "event 2,026" });
  expect(momentSaid("2026-03-10T12:00:00Z").said).toContain("Mar 2026");
});
