import { CompletionContext } from "@codemirror/autocomplete";
import { PostgreSQL } from "@codemirror/lang-sql";
import { ensureSyntaxTree } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { expect, test } from "vitest";
import { completions, placeOf } from "./names";

const NAMES = { tables: { flights: ["flight", "dep_delay"], airlines: ["carrier", "name"], "My file": ["n"] } };
const FUNCTIONS = [{ label: "floor", type: "function" }];

/** What is offered at the bar in some SQL. */
async function offered(sql: string): Promise<string[]> {
  const pos = sql.indexOf("|");
  const state = EditorState.create({ doc: sql.replace("|", ""), extensions: PostgreSQL.extension });
  ensureSyntaxTree(state, state.doc.length, 1000);
  const context = new CompletionContext(state, pos, false);
  const all = await Promise.all(completions(NAMES, FUNCTIONS).map((source) => source(context)));
  return all.flatMap((result) => result?.options.map(({ label }) => label) ?? []);
}

test("the place in some SQL", () => {
  expect(["SELECT f.", "select f . d", 'select "f"."d'].map(placeOf)).toEqual(["part", "part", "part"]);
  expect(["SELECT * FROM fl", "from a x, b AS y, c", "FROM a\nLEFT JOIN "].map(placeOf)).toEqual([
    "table",
    "table",
    "table",
  ]);
  expect(["SELECT fl", "SELECT a FROM b WHERE c", "SELECT a FROM b "].map(placeOf)).toEqual(["any", "any", "any"]);
});

test("after FROM and JOIN come tables alone, those of WITH among them", async () => {
  expect(await offered("SELECT * FROM fl|")).toEqual(["flights", "airlines", "My file"]);
  expect(await offered("WITH late AS (SELECT 1) SELECT * FROM airlines JOIN l|")).toContain("late");
});

test("after a dot come the columns of what stands before it alone", async () => {
  expect(await offered("SELECT f.d| FROM flights f")).toEqual(["flight", "dep_delay"]);
  expect(await offered("SELECT flights.| FROM flights")).toEqual(["flight", "dep_delay"]);
});

test("elsewhere comes everything", async () => {
  const all = await offered("SELECT fl| FROM flights");
  expect(all).toEqual(expect.arrayContaining(["flights", "flight", "floor", "FROM", "name"]));
});
