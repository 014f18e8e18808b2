import { expect, test } from "vitest";
import { otherName, sheetRead, tableName } from "./send";

test("a table is called after its file, without folders and endings", () => {
  expect(
    ["flights.csv.gz", "C:\\data\\Sales 2024.xlsx", "a/b.ndjson", "noending", ".csv", "x.tar"].map(tableName),
  ).toEqual(["flights", "Sales 2024", "b", "noending", "data", "x.tar"]);
});

test("a name that cannot be had leads to another one", () => {
  expect(["flights", "flights 2", "2024"].map(otherName)).toEqual(["flights 2", "flights 3", "2024 2"]);
  expect(otherName("x".repeat(200))).toBe("x".repeat(128));
  expect(otherName("x".repeat(128))).toHaveLength(128);
});

test("the sheet that was read is the wanted one, or the first with anything on it", () => {
  const sheets = ["About", "March", "April"].map((name, n) => ({ name, rows: n * 3, columns: n && 2 }));
  expect([undefined, null, "April", 3, "2", "nowhere"].map((wanted) => sheetRead(sheets, wanted))).toEqual([
    2, 2, 3, 3, 2, 2,
  ]);
});
