import { render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { Failure, Faults } from "./card";

const problem = (
  detail: string,
  errors: { code: string; detail: string; line?: number; column?: number; field?: string }[],
) => new ApiError({ type: "about:blank", code: "invalid", title: "T", status: 422, detail, errors });

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
