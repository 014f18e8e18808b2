import { columnOf } from "./fields";

type Spec = Record<string, unknown>;

const MARKS = new Set(
  "arc area bar boxplot circle errorband errorbar geoshape image line point rect rule square text tick trail".split(
    " ",
  ),
);

const object = (value: unknown): Spec | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Spec) : undefined;

/** What is wrong with a specification so that nothing, or nothing right, can be drawn: kinds and columns that there are not. */
export function faults(spec: Spec, columns: { name: string }[]): string[] {
  const found: string[] = [];
  const names = new Set(columns.map(({ name }) => name));
  // What a specification computes itself has a name too.
  let open = false;
  const made = (value: unknown) => {
    if (Array.isArray(value)) for (const each of value) made(each);
    const fields = object(value);
    if (!fields) return;
    for (const [name, inner] of Object.entries(fields)) {
      if (name === "as") for (const each of [inner].flat()) names.add(String(each));
      // Columns are made from values, or fields from parameters, here: which ones is not to be seen.
      else if (name === "pivot" || name === "repeat" || name === "fold" || name === "lookup") open = true;
      else made(inner);
    }
  };
  made(spec);
  const view = (value: unknown) => {
    const one = object(value);
    if (!one) return;
    const mark = typeof one.mark === "string" ? one.mark : object(one.mark)?.type;
    if (mark !== undefined && !MARKS.has(String(mark)))
      found.push(`There is no mark “${mark}”. There are: ${[...MARKS].join(", ")}.`);
    for (const [at, channel] of Object.entries(object(one.encoding) ?? {}))
      for (const each of Array.isArray(channel) ? channel : [channel]) {
        const field = object(each)?.field;
        if (typeof field !== "string" || open || names.has(columnOf(field))) continue;
        // A dot reaches into a value.
        if (/[.[]/.test(field) && names.has(field.split(/[.[]/)[0] ?? "")) continue;
        const known = columns.map(({ name }) => name).join(", ");
        found.push(`There is no column “${columnOf(field)}” for ${at}. There are: ${known}.`);
      }
    for (const part of ["layer", "hconcat", "vconcat", "concat"])
      if (Array.isArray(one[part])) for (const each of one[part]) view(each);
    view(one.spec);
  };
  view(spec);
  return [...new Set(found)];
}
