import { expect, test } from "vitest";
import { type Form, formOf, measure, specOf, titleOf } from "./form";

const COLUMNS = [
  { name: "carrier", type: "text" },
  { name: "day", type: "date" },
  { name: "delay", type: "int" },
];
const FORM: Form = { mark: "bar", x: "carrier", y: "delay", color: "", aggregate: "mean" };

test("a form comes back from the specification that it makes", () => {
  for (const form of [
    FORM,
    { ...FORM, mark: "line", x: "day", color: "carrier" },
    { ...FORM, mark: "arc" },
    { ...FORM, y: "", aggregate: "" },
  ] satisfies Form[]) {
    const spec = specOf(form, COLUMNS, {});
    const back = formOf(spec);
    expect(back).toEqual(form.y ? form : { ...form, aggregate: "count" });
  }
});

test("what the form does not speak of stays", () => {
  const before = specOf(FORM, COLUMNS, { title: "Delays", config: { bar: { color: "red" } } });
  const sorted = {
    ...before,
    encoding: { ...(before.encoding as object), x: { field: "carrier", type: "nominal", sort: "-y" } },
  };
  const after = specOf({ ...FORM, mark: "line" }, COLUMNS, sorted);
  expect(after).toMatchObject({
    title: "Delays",
    config: { bar: { color: "red" } },
    mark: { type: "line", tooltip: true },
  });
  expect((after.encoding as { x: unknown }).x).toMatchObject({ sort: "-y" });
  expect((specOf({ ...FORM, x: "day" }, COLUMNS, sorted).encoding as { x: object }).x).not.toHaveProperty("sort");
  expect((specOf({ ...FORM, aggregate: "" }, COLUMNS, sorted).encoding as { y: object }).y).not.toHaveProperty(
    "aggregate",
  );
});

test("types of columns are told apart", () => {
  expect(["int", "float", "date", "timestamp", "text", undefined].map(measure)).toEqual([
    "quantitative",
    "quantitative",
    "temporal",
    "temporal",
    "nominal",
    "nominal",
  ]);
});

test("a chart is called after its form", () => {
  expect(titleOf(FORM)).toBe("mean of delay by carrier");
  expect(titleOf({ ...FORM, y: "", aggregate: "", color: "day" })).toBe("rows by carrier and day");
});
