import { render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { template } from "./context";
import { Graph, places } from "./graph";

const PARSED = {
  datasets: [{ id: "airlines", name: "Airlines" }, { id: "flights", name: "Flights" }, { id: "planes" }],
  relationships: [
    {
      id: "a",
      left_dataset: "flights",
      right_dataset: "airlines",
      cardinality: "many-to-one",
      conditions: [{ left_column: "carrier", right_column: "carrier" }],
    },
    { id: "b", left_dataset: "flights", right_dataset: "planes", cardinality: "many-to-one" },
  ],
  metrics: [],
  filters: [],
};

test("what joins most stands in the middle, and nothing on top of something else", () => {
  const at = places(PARSED);
  expect(at.get("flights")).toEqual({ x: 320, y: 170 });
  expect(new Set([...at.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(3);
});

test("the picture is told in words, too", () => {
  render(<Graph parsed={PARSED} />);
  expect(screen.getByText("Flights → Airlines")).toBeInTheDocument();
  expect(screen.getByText(/carrier = carrier, many-to-one/)).toBeInTheDocument();
});

test("a context begins with the tables that there are", () => {
  expect(template(["flights", "2024 Sales"])).toContain(
    "  - id: _2024_sales\n    name: 2024 Sales\n    dataset_id: 2024 Sales",
  );
  expect(template(["flights", "airlines"])).toContain("    datasets: [flights]\n");
  expect(template([])).toContain("dataset_id: data");
});
