import { render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { Failure, Faults, said } from "./card";

const problem = (
  detail: string,
  errors: { code: string; detail: string; line?: number; column?: number; field?: string }[] = [],
  code = "invalid",
) => new ApiError({ type: "about:blank", code, title: "T", status: 422, detail, errors });

test("what went wrong is said to people", () => {
  expect(said(new TypeError("Failed to fetch dynamically imported module: /x.js"))).toBe("Weir cannot be reached.");
  expect(said(new Error("Unable to preload CSS for /x.css"))).toBe("Weir cannot be reached.");
  expect(said(problem("There is nothing at /api/v1/datasets/nosuch.", [], "not_found"))).not.toContain("/api");
  expect(said(problem("There is no dataset 7 here.", [], "dataset_not_found"))).toBe("There is no dataset 7 here.");
  expect(said(problem("The last event of all is at position 7.", [], "as_of_ahead"))).toBe(
    "This moment has not come yet.",
  );
});

test("an error of the page is shown as itself, one of the way to the server as such", () => {
  const { rerender } = render(<Failure error={new TypeError("x is undefined")} />);
  expect(screen.getByRole("alert")).toHaveTextContent("x is undefined");
  rerender(<Failure error={new TypeError("Failed to fetch")} />);
  expect(screen.getByRole("alert")).toHaveTextContent("Weir cannot be reached.");
});

test("what is said of a place is not what was said before", () => {
  render(
    <Faults
      error={problem("There is no table x.", [
        { code: "a", detail: "There is no table x.", line: 2, column: 7 },
        { code: "b", detail: "There is no mark barr.", field: "spec/mark" },
        { code: "c", detail: "There is no table x.", field: "sql" },
      ])}
    />,
  );
  expect(screen.getAllByText(/There is no table x/)).toHaveLength(1);
  expect(screen.getAllByRole("listitem").map((item) => item.textContent?.trim())).toEqual([
    "Line 2, column 7",
    "spec/mark There is no mark barr.",
  ]);
});
