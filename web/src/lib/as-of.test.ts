import { createPath } from "react-router";
import { expect, test } from "vitest";
import { faultOf, momentSaid, withMoment } from "./as-of";

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

test("what is gone to is shown at the same moment, where it has a past", () => {
  const to = (address: string) => {
    const found = withMoment(address, "2026-03-10T12:00:00Z");
    return typeof found === "string" ? found : createPath(found);
  };
  const moment = "as_of=2026-03-10T12%3A00%3A00Z";
  expect(to("/")).toBe(`/?${moment}`);
  expect(to("/datasets/7?tab=versions")).toBe(`/datasets/7?tab=versions&${moment}`);
  expect(to("/query?run&sql=SELECT%201")).toBe(`/query?run&sql=SELECT%201&${moment}`);
  expect(to("/charts?as_of=3")).toBe("/charts?as_of=3");
  expect(to("/settings/members")).toBe("/settings/members");
  expect(to("/operations")).toBe("/operations");
  expect(withMoment("/charts", undefined)).toBe("/charts");
});
