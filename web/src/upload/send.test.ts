import { expect, test } from "vitest";
import { tableName } from "./send";

test("a table is called after its file, without folders and endings", () => {
  expect(
    ["flights.csv.gz", "C:\\data\\Sales 2024.xlsx", "a/b.ndjson", "noending", ".csv", "x.tar"].map(tableName),
  ).toEqual(["flights", "Sales 2024", "b", "noending", "data", "x.tar"]);
});
