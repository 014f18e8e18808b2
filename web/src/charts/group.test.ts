import { expect, test } from "vitest";
import { specOf } from "./form";
import { bins, combines, grouping } from "./group";

const COLUMNS = [
  { name: "grp", type: "text" },
  { name: "val", type: "int" },
  { name: "day", type: "date" },
  { name: 'a.b "c"', type: "float" },
];
const FORM = { mark: "bar", x: "grp", y: "val", color: "", aggregate: "mean" };
const SQL = "SELECT * FROM t WHERE val > 0;\n";

test("what a chart combines is combined in SQL, over all rows of its query", () => {
  const made = grouping(SQL, specOf(FORM, COLUMNS, { title: "T" }), COLUMNS)?.with([]);
  expect(made?.sql).toBe(
    `SELECT
  "grp",
  avg(CAST("val" AS DOUBLE)) AS "mean_of_val",
  count(*) AS "rows"
FROM (
SELECT * FROM t WHERE val > 0
) AS all_rows
GROUP BY 1
ORDER BY 1`,
  );
  expect(made?.spec).toMatchObject({
    title: "T",
    mark: { type: "bar", orient: "vertical" },
    encoding: { x: { field: "grp", type: "nominal" }, y: { field: "mean_of_val", title: "mean of val" } },
  });
  expect(combines(made?.spec)).toBe(false);
});

test("what stands behind a query's end is no part of it", () => {
  const spec = specOf(FORM, COLUMNS, {});
  for (const end of ["", ";", " ;\n", "; -- all of it", ";\n/* all */\n-- of it\n"])
    expect(grouping(`SELECT ';' FROM t${end}`, spec, COLUMNS)?.with([]).sql).toContain(
      "FROM (\nSELECT ';' FROM t\n) AS all_rows",
    );
  expect(grouping("SELECT 1 -- one", spec, COLUMNS)?.with([]).sql).toContain("(\nSELECT 1 -- one\n)");
});

test("colours are groups too, rows are counted, and names are quoted", () => {
  const spec = specOf({ ...FORM, x: 'a.b "c"', y: "", color: "grp" }, COLUMNS, {});
  const made = grouping(SQL, spec, COLUMNS)?.with([]);
  expect(made?.sql).toContain(`"a.b ""c""",\n  "grp",\n  count(*) AS "rows"`);
  expect(made?.spec).toMatchObject({ encoding: { x: { field: 'a\\.b \\"c\\"' }, y: { field: "rows" } } });
});

test("times are cut and numbers fall into the bins that the page would make", () => {
  const time = { mark: "line", encoding: { x: { field: "day", timeUnit: "yearmonth" }, y: { aggregate: "count" } } };
  const cut = grouping(SQL, time, COLUMNS)?.with([]);
  expect(cut?.sql).toContain(`CAST(date_trunc('month', "day") AS DATE) AS "day"`);
  expect(cut?.spec).toMatchObject({
    encoding: { x: { field: "day", timeUnit: "utcyearmonth", scale: { type: "utc" } } },
  });

  const spread = { mark: "bar", encoding: { x: { field: "val", bin: true }, y: { aggregate: "count" } } };
  const plan = grouping(SQL, spread, COLUMNS);
  expect(plan?.bounds).toContain(`min(CAST("val" AS DOUBLE)), max(CAST("val" AS DOUBLE))`);
  const binned = plan?.with([3, 100]);
  expect(binned?.sql).toContain(`0 + 10 * CASE WHEN CAST("val" AS DOUBLE) = 100 THEN 9 ELSE floor(`);
  expect(binned?.spec).toMatchObject({
    transform: [{ calculate: `datum["val"] + 10`, as: "val_end" }],
    encoding: { x: { field: "val", bin: "binned" }, x2: { field: "val_end" } },
  });
  expect(bins(0, 1, 10)).toEqual({ start: 0, step: 0.1, last: 9 });
  expect(bins(-7, 1300, 30)).toEqual({ start: -50, step: 50, last: 26 });
});

test("an order by what is combined stays", () => {
  const spec = specOf(FORM, COLUMNS, {});
  const sorted = (sort: unknown) => ({
    ...spec,
    encoding: { ...(spec.encoding as object), x: { field: "grp", sort } },
  });
  const order = { field: "val", op: "mean", order: "descending" };
  expect(grouping(SQL, sorted(order), COLUMNS)?.with([]).spec).toMatchObject({
    encoding: { x: { sort: { field: "mean_of_val", order: "descending" } } },
  });
  expect(grouping(SQL, sorted({ ...order, op: "sum" }), COLUMNS)).toBeUndefined();
});

test("the largest groups stay the largest", () => {
  const transform = [
    { joinaggregate: [{ op: "mean", as: "weir_size", field: "val" }], groupby: ["grp"] },
    {
      window: [{ op: "dense_rank", as: "weir_rank" }],
      sort: [{ field: "weir_size", order: "descending" }],
    },
    { filter: { field: "weir_rank", lte: 10 } },
  ];
  const spec = specOf(FORM, COLUMNS, { transform });
  const made = grouping(SQL, spec, COLUMNS)?.with([]);
  expect(made?.spec.transform).toEqual([
    { joinaggregate: [{ op: "max", as: "weir_size", field: "mean_of_val" }], groupby: ["grp"] },
    ...transform.slice(1),
  ]);
  // A mean of means is none.
  expect(grouping(SQL, specOf({ ...FORM, color: "day" }, COLUMNS, { transform }), COLUMNS)).toBeUndefined();
});

test("a box of a boxplot combines rows, too", () => {
  expect([{ mark: "boxplot" }, { layer: [{ mark: { type: "errorbar" } }] }, { mark: "point" }].map(combines)).toEqual([
    true,
    true,
    false,
  ]);
});

test("what combines nothing, or in a way of its own, is left alone", () => {
  const spec = specOf(FORM, COLUMNS, {});
  expect(grouping(SQL, specOf({ ...FORM, aggregate: "" }, COLUMNS, {}), COLUMNS)).toBeUndefined();
  for (const other of [
    { ...spec, transform: [{ filter: "datum.val > 1" }] },
    { ...spec, mark: "boxplot" },
    { ...spec, layer: [], encoding: undefined },
    specOf({ ...FORM, x: "nowhere" }, COLUMNS, {}),
  ])
    expect(grouping(SQL, other, COLUMNS)).toBeUndefined();
});
