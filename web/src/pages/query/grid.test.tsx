import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { compare, Grid, numberWidth, tsv } from "./grid";

// jsdom lays nothing out: the grid is told that it has room for some rows.
beforeEach(() => {
  Object.defineProperty(HTMLElement.prototype, "clientHeight", { configurable: true, value: 280 });
  Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 800 });
});

test("what is missing comes last, numbers by their size, also as texts", () => {
  expect([3, null, 1, 20].sort(compare)).toEqual([1, 3, 20, null]);
  expect(["10", "9", "b", "a"].sort(compare)).toEqual(["9", "10", "a", "b"]);
});

test("what is copied fits into a spreadsheet", () => {
  const columns = [{ name: "a" }, { name: "b" }];
  expect(
    tsv(columns, [
      [1, null],
      ["x\ty\nz", { k: [1] }],
    ]),
  ).toBe('a\tb\n1\t\nx y z\t{"k":[1]}');
});

test("of a hundred thousand rows only those in sight are on the page, and sorting has all", async () => {
  const rows = Array.from({ length: 100_000 }, (_, n) => [n, n % 7 === 0 ? null : `t${n}`]);
  render(
    <Grid
      columns={[
        { name: "n", type: "int" },
        { name: "t", type: "text" },
      ]}
      rows={rows}
    />,
  );
  expect(screen.getByRole("grid")).toHaveAttribute("aria-rowcount", "100001");
  expect(screen.getAllByRole("row").length).toBeLessThan(80);
  const header = screen.getByRole("button", { name: "n" });
  await userEvent.click(header);
  await userEvent.click(screen.getByRole("button", { name: /^n/ }));
  expect(screen.getByRole("columnheader", { name: /^n/ })).toHaveAttribute("aria-sort", "descending");
  expect(screen.getByText("99999")).toBeInTheDocument();
});

test("of rows that were cut off only those here are sorted, which is said, and one sees the first", async () => {
  const rows = Array.from({ length: 1000 }, (_, n) => [n]);
  render(<Grid columns={[{ name: "n", type: "int" }]} rows={rows} cut />);
  const grid = screen.getByRole("grid");
  grid.scrollTop = 5000;
  expect(screen.queryByRole("status")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "n" }));
  expect(grid.scrollTop).toBe(0);
  expect(screen.getByRole("status")).toHaveTextContent("Only the 1,000 rows shown are sorted.");
});

test("the numbers of rows have room", () => {
  expect(numberWidth(100_000)).toBeGreaterThan(numberWidth(1000));
});
