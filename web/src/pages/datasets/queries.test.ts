import { expect, test } from "vitest";
import { speaksOf } from "./queries";

test("SQL speaks of a table by its whole name", () => {
  expect(speaksOf("SELECT * FROM flights f", "flights")).toBe(true);
  expect(speaksOf('select 1 from "My data (2)"', "My data (2)")).toBe(true);
  expect(speaksOf("SELECT * FROM flights_2", "flights")).toBe(false);
});
