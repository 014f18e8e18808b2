import type { Completion, CompletionSource } from "@codemirror/autocomplete";
import { keywordCompletionSource, PostgreSQL, schemaCompletionSource } from "@codemirror/lang-sql";

/** The names that an editor of SQL completes: tables with their columns, and words such as metrics. */
export interface Names {
  tables: Record<string, string[]>;
  words?: { label: string; detail: string }[];
}

/** What can stand at the end of some SQL: a part of what stands before the dot, a table, or anything. */
export function placeOf(before: string): "part" | "table" | "any" {
  if (/[\w"]\s*\.\s*"?\w*$/.test(before)) return "part";
  // Several tables may follow one FROM, with commas between them.
  const list = /\bfrom\s+((?:[\w".]+(?:\s+(?:as\s+)?\w+)?\s*,\s*)*)\w*$/i;
  return /\bjoin\s+\w*$/i.test(before) || list.test(before) ? "table" : "any";
}

const quoted = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** Names that the SQL gives itself, with WITH. */
function ownTables(sql: string): string[] {
  if (!/\bwith\b/i.test(sql)) return [];
  return [...sql.matchAll(/(\w+)\s+as\s*\(/gi)].flatMap(([, name]) => (name ? [name] : []));
}

/** What completes SQL: after FROM and JOIN tables, after a dot what belongs to what stands before it, else everything. */
export function completions(names: Names | undefined, functions: readonly Completion[]): CompletionSource[] {
  const tables = names?.tables ?? {};
  const words: Completion[] = [
    ...functions,
    ...(names?.words ?? []).map((word) => ({ ...word, type: "constant" })),
    // Columns without their table too, which is how most people begin.
    ...[...new Set(Object.values(tables).flat())].map((label) => ({ label, type: "property", apply: quoted(label) })),
  ];
  const place = (context: Parameters<CompletionSource>[0]) => placeOf(context.state.sliceDoc(0, context.pos));
  const only =
    (where: string, source: CompletionSource): CompletionSource =>
    (context) =>
      place(context) === where ? source(context) : null;
  const schema = schemaCompletionSource({ dialect: PostgreSQL, schema: tables });
  return [
    (context) => (place(context) === "table" ? null : schema(context)),
    only("any", keywordCompletionSource(PostgreSQL, true)),
    only("any", (context) => {
      const word = context.matchBefore(/\w+/);
      return word ? { from: word.from, options: words, validFor: /^\w*$/ } : null;
    }),
    only("table", (context) => {
      const word = context.matchBefore(/\w*/);
      const all = [...new Set([...Object.keys(tables), ...ownTables(context.state.doc.toString())])];
      return {
        from: word?.from ?? context.pos,
        options: all.map((label) => ({ label, type: "type", apply: quoted(label) })),
        validFor: /^\w*$/,
      };
    }),
  ];
}
