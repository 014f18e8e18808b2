import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { said } from "./card";

const problem = (status: number, code: string, detail: string) =>
  new ApiError({ type: "about:blank", title: code, status, code, detail });

test("what went wrong is said to people", () => {
  expect(said(new TypeError("Failed to fetch"))).toBe("Weir cannot be reached.");
  expect(said(problem(404, "not_found", "There is nothing at /api/v1/datasets/nosuch."))).not.toContain("/api");
  expect(said(problem(404, "dataset_not_found", "There is no dataset 7 here."))).toBe("There is no dataset 7 here.");
  expect(said(problem(422, "as_of_ahead", "The last event of all is at position 7."))).toBe(
    "This moment has not come yet.",
  );
});
