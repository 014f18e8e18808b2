import { columnOf, fieldOf } from "./fields";
import { measure } from "./form";

type Spec = Record<string, unknown>;
type Column = { name: string; type: string };

/** A chart whose rows are grouped before they come to the page. */
export interface Grouped {
  sql: string;
  spec: Spec;
  /** The column that says how many rows a group has. */
  rows: string;
}

/** How a chart is to be grouped in SQL. */
export interface Grouping {
  /** SQL for the least and the greatest of what falls into bins, two columns for each; none without bins. */
  bounds: string | undefined;
  /** The grouped chart, once those are known. */
  with: (bounds: unknown[]) => Grouped;
}

const ONE = new Set([
  "bar",
  "line",
  "area",
  "point",
  "circle",
  "square",
  "tick",
  "rect",
  "arc",
  "text",
  "trail",
  "rule",
]);

/** What a specification calls a way to combine values, in SQL. Sums of ours are wide enough; the rest is made wide. */
const COMBINED: Record<string, (value: string, type: string) => string> = {
  valid: (value) => `count(${value})`,
  missing: (value) => `count(*) - count(${value})`,
  distinct: (value) => `count(DISTINCT ${value})`,
  sum: (value, type) => `sum(${plain(value, type)})`,
  mean: (value) => `avg(${wide(value)})`,
  average: (value) => `avg(${wide(value)})`,
  median: (value) => `median(${wide(value)})`,
  min: (value, type) => `min(${plain(value, type)})`,
  max: (value, type) => `max(${plain(value, type)})`,
  stdev: (value) => `stddev(${wide(value)})`,
  stdevp: (value) => `stddev_pop(${wide(value)})`,
};

/** Units of time that SQL cuts as a specification does. */
const UNITS: Record<string, string> = {
  year: "year",
  yearquarter: "quarter",
  yearmonth: "month",
  yearmonthdate: "day",
  yearmonthdatehours: "hour",
  yearmonthdatehoursminutes: "minute",
};

/** Channels with few bins unless more are asked for. */
const FEW = new Set(["row", "column", "facet", "size", "color", "fill", "stroke", "strokeWidth", "opacity", "shape"]);

const object = (value: unknown): Spec | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Spec) : undefined;

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const wide = (value: string) => `CAST(${value} AS DOUBLE)`;
// Decimals come as texts, which is no number for a chart.
const plain = (value: string, type: string) => (/^decimal/i.test(type) ? wide(value) : value);

/** A query as a part of another one: without what ends it. */
function inner(sql: string): string {
  // A comment may stand behind the end, and one may end the last line, which is why the bracket is on another.
  return `(\n${sql.replace(/\s*;(\s|;|--[^\n]*(\n|$)|\/\*[^*]*\*\/)*$/, "").trimEnd()}\n) AS all_rows`;
}

/** Bins of a nice width, as the charts have them. */
export function bins(
  low: number,
  high: number,
  most: number,
  wanted?: number,
): { start: number; step: number; last: number } {
  const span = high - low || Math.abs(low) || 1;
  let step = wanted ?? 10 ** (Math.round(Math.log10(span)) - Math.ceil(Math.log10(most)));
  if (wanted === undefined) {
    while (Math.ceil(span / step) > most) step *= 10;
    for (const part of [5, 2]) if (span / (step / part) <= most) step /= part;
  }
  const start = Math.floor(low / step + 1e-9) * step;
  const stop = Math.ceil(high / step - 1e-9) * step;
  return { start, step, last: Math.max(0, Math.round((stop - start) / step) - 1) };
}

/** Parts of a specification that make one value of many rows, whatever they say. */
const COMBINING = new Set(["aggregate", "joinaggregate", "density", "regression", "loess", "quantile"]);
/** Marks that do so themselves. */
const SUMMARIES = new Set<unknown>(["boxplot", "errorbar", "errorband"]);

/** Whether a specification combines rows. */
export function combines(spec: unknown): boolean {
  if (Array.isArray(spec)) return spec.some(combines);
  const fields = object(spec);
  if (!fields) return false;
  return Object.entries(fields).some(
    ([name, value]) =>
      (COMBINING.has(name) && value !== undefined) ||
      ((name === "mark" || name === "type") && SUMMARIES.has(value)) ||
      combines(value),
  );
}

/**
 * How the rows of a query can be grouped in SQL, so that a chart which combines them is right over all of them and not
 * only over those that a page is given. Nothing where the chart combines none, or in a way that SQL is not told here.
 */
export function grouping(sql: string, spec: Spec, columns: Column[]): Grouping | undefined {
  const encoding = object(spec.encoding);
  const mark = typeof spec.mark === "string" ? spec.mark : object(spec.mark)?.type;
  if (!encoding || typeof mark !== "string" || !ONE.has(mark)) return undefined;

  const names = new Set<string>();
  const named = (wanted: string) => {
    let name = wanted;
    for (let n = 2; names.has(name); n += 1) name = `${wanted}_${n}`;
    names.add(name);
    return name;
  };
  const groups = new Map<string, { name: string; value: (bounds: unknown[]) => string }>();
  const combined = new Map<string, { name: string; sql: string }>();
  const binned: string[] = [];
  const ends: [string, string, (bounds: unknown[]) => string][] = [];
  let lost = false;

  const find = (field: unknown) => {
    const found = typeof field === "string" ? columns.find(({ name }) => name === columnOf(field)) : undefined;
    if (!found) lost = true;
    return found;
  };
  /** A column by which rows are grouped, under a name that it keeps where it can. */
  const group = (key: string, name: string, value: (bounds: unknown[]) => string) => {
    const known = groups.get(key) ?? { name: named(name), value };
    groups.set(key, known);
    return fieldOf(known.name);
  };
  const combine = (how: string, column: Column | undefined) => {
    const key = `${how} ${column?.name}`;
    const made = COMBINED[how];
    const known = combined.get(key);
    if (known) return known.name;
    if (!column || !made) {
      lost = true;
      return "";
    }
    const name = named(`${how}_of_${column.name}`);
    combined.set(key, { name, sql: made(quoted(column.name), column.type) });
    return name;
  };
  // Names of columns come first, so that what is combined does not take one.
  for (const { name } of columns) names.add(name);
  for (const [, channel] of channels(encoding)) {
    const field = channel.field;
    if (channel.aggregate === undefined && typeof field === "string") names.delete(columnOf(field));
  }
  let counted: string | undefined;
  const rows = () => {
    counted ??= named("rows");
    return counted;
  };

  type Made = (bounds: unknown[]) => Spec;
  const rewrite = (at: string, channel: Spec): Made => {
    if (channel.condition !== undefined || channel.impute !== undefined) lost = true;
    const { aggregate, ...rest } = channel;
    if (aggregate !== undefined) {
      if (typeof aggregate !== "string" || channel.bin || channel.timeUnit) lost = true;
      const column = aggregate === "count" ? undefined : find(channel.field);
      const name = aggregate === "count" ? rows() : combine(String(aggregate), column);
      const title = channel.title ?? (column ? `${aggregate} of ${column.name}` : "rows");
      return () => ({ ...rest, field: fieldOf(name), title, type: channel.type ?? "quantitative" });
    }
    if (channel.field === undefined) return () => channel;
    const column = find(channel.field);
    if (!column) return () => channel;
    const value = quoted(column.name);
    if (channel.timeUnit !== undefined) {
      const whole = typeof channel.timeUnit === "string" ? channel.timeUnit : "";
      const unit = whole.replace(/^utc/, "");
      const part = UNITS[unit];
      if (!part || measure(column.type) !== "temporal" || channel.bin) {
        lost = true;
        return () => channel;
      }
      const cut = `date_trunc('${part}', ${value})`;
      const field = group(`${part} ${column.name}`, column.name, () =>
        column.type === "date" ? `CAST(${cut} AS DATE)` : cut,
      );
      if (column.type === "timestamp") return () => ({ ...channel, field });
      // The first day of a month is the last one of the month before in half of the world's zones.
      return () => ({ ...channel, field, timeUnit: `utc${unit}`, scale: { ...object(channel.scale), type: "utc" } });
    }
    if (channel.bin) {
      const { maxbins, step, ...others } = object(channel.bin) ?? {};
      if (Object.keys(others).length > 0 || measure(column.type) !== "quantitative" || channel.bin === "binned") {
        lost = true;
        return () => channel;
      }
      const nth = binned.indexOf(column.name) < 0 ? binned.push(column.name) - 1 : binned.indexOf(column.name);
      const most = typeof maxbins === "number" ? maxbins : FEW.has(at) ? 6 : 10;
      const of = (bounds: unknown[]) =>
        bins(Number(bounds[2 * nth]), Number(bounds[2 * nth + 1]), most, typeof step === "number" ? step : undefined);
      const field = group(`bin ${most} ${step} ${column.name}`, column.name, (bounds) => {
        const { start, step, last } = of(bounds);
        const bin = `floor((${wide(value)} - ${start}) / ${step} + 1e-9)`;
        // Where the greatest value ends the last bin, it belongs to that.
        return `${start} + ${step} * CASE WHEN ${wide(value)} = ${start + step * (last + 1)} THEN ${last} ELSE ${bin} END`;
      });
      if ((at !== "x" && at !== "y") || encoding[`${at}2`] !== undefined)
        return (bounds) => ({ ...channel, field, bin: { binned: true, step: of(bounds).step } });
      // Where bins end is told in so many words, or the axis would end where the last one begins.
      const end = named(`${column.name}_end`);
      ends.push([`${at}2`, end, (bounds) => `datum[${JSON.stringify(columnOf(field))}] + ${of(bounds).step}`]);
      const axis = channel.axis === null ? null : { title: channel.title ?? column.name, ...object(channel.axis) };
      return () => ({ ...channel, field, bin: "binned", axis });
    }
    const field = group(column.name, column.name, () => value);
    return () => ({ ...channel, field });
  };

  const made: [string, Made | Made[]][] = Object.entries(encoding).map(([at, value]) => {
    const one = object(value);
    if (one) return [at, rewrite(at, one)];
    if (!Array.isArray(value)) return [at, () => value as Spec];
    return [at, value.map((each) => rewrite(at, object(each) ?? {}))];
  });
  if (!channels(encoding).some(([, { aggregate }]) => aggregate !== undefined)) return undefined;

  // An order by another column is one of the groups' own, or of what is combined where there is one group for each.
  const sorts = new Map<string, Spec>();
  for (const [at, { sort }] of channels(encoding)) {
    const order = object(sort);
    if (!order || order.field === undefined) continue;
    const column = find(order.field);
    const same = column && combined.get(`${order.op ?? "min"} ${column.name}`);
    if (same && groups.size === 1) sorts.set(at, { ...order, field: fieldOf(same.name), op: "max" });
    else lost = true;
  }
  const steps = Array.isArray(spec.transform) ? spec.transform : [];
  const largest =
    steps.length === 0
      ? steps
      : keptLargest(steps, find, groups, (how, column) => (how === "count" ? rows() : combine(how, column)));
  if (lost || !largest) return undefined;

  const measured = (at: string) => object(encoding[at])?.aggregate !== undefined;
  const upright = measured("y") !== measured("x") ? { orient: measured("y") ? "vertical" : "horizontal" } : {};
  const from = inner(sql);
  return {
    bounds:
      binned.length === 0
        ? undefined
        : `SELECT ${binned.map((name) => `min(${wide(quoted(name))}), max(${wide(quoted(name))})`).join(", ")}\nFROM ${from}`,
    with: (bounds) => {
      const count = rows();
      const by = [...groups.values()].map(({ name, value }) => {
        const text = value(bounds);
        return text === quoted(name) ? text : `${text} AS ${quoted(name)}`;
      });
      const values = [...combined.values()].map(({ name, sql }) => `${sql} AS ${quoted(name)}`);
      const places = by.map((_, index) => index + 1).join(", ");
      return {
        rows: count,
        sql:
          `SELECT\n  ${[...by, ...values, `count(*) AS ${quoted(count)}`].join(",\n  ")}\nFROM ${from}` +
          (by.length > 0 ? `\nGROUP BY ${places}\nORDER BY ${places}` : ""),
        spec: {
          ...spec,
          ...(steps.length + ends.length > 0 && {
            transform: [...largest, ...ends.map(([, as, of]) => ({ calculate: of(bounds), as }))],
          }),
          // Which way bars stand is seen from what is combined, which is not in the specification any more.
          ...(["bar", "line", "area"].includes(mark) && {
            mark: { ...upright, ...(object(spec.mark) ?? { type: mark }) },
          }),
          encoding: {
            ...Object.fromEntries(
              made.map(([at, channel]) => {
                if (Array.isArray(channel)) return [at, channel.map((each) => each(bounds))];
                const sort = sorts.get(at);
                const whole = channel(bounds);
                return [at, sort ? { ...whole, sort } : whole];
              }),
            ),
            ...Object.fromEntries(ends.map(([at, name]) => [at, { field: fieldOf(name) }])),
          },
        },
      };
    },
  };
}

/** How what was combined for parts of a group is combined for the whole of it. */
const AGAIN: Record<string, string> = {
  count: "sum",
  sum: "sum",
  valid: "sum",
  missing: "sum",
  min: "min",
  max: "max",
};

/** The steps by which a short form keeps the largest groups alone, over rows that are grouped; nothing where they are others. */
function keptLargest(
  steps: unknown[],
  find: (field: unknown) => Column | undefined,
  groups: Map<string, { name: string }>,
  combine: (how: string, column: Column | undefined) => string,
): unknown[] | undefined {
  const [join, rank, filter, ...others] = steps.map((step) => object(step) ?? {});
  const sizes = Array.isArray(join?.joinaggregate) ? join.joinaggregate.map((each) => object(each) ?? {}) : [];
  const by = Array.isArray(join?.groupby) ? join.groupby : [];
  const [size] = sizes;
  const order = Array.isArray(rank?.sort) ? object(rank.sort[0]) : undefined;
  const ranked = Array.isArray(rank?.window) ? object(rank.window[0])?.as : undefined;
  if (!size || sizes.length > 1 || by.length !== 1 || others.length > 0 || order?.field !== size.as) return undefined;
  if (ranked === undefined || object(filter?.filter)?.field !== ranked) return undefined;
  const how = String(size.op);
  const along = find(by[0]);
  const group = along && groups.get(along.name);
  // One group for each: whatever is combined of it is what it has.
  const again = groups.size === 1 ? "max" : AGAIN[how];
  if (!group || !again) return undefined;
  const field = combine(how, how === "count" ? undefined : find(size.field));
  return [
    { ...join, joinaggregate: [{ ...size, op: again, field: fieldOf(field) }], groupby: [fieldOf(group.name)] },
    rank,
    filter,
  ];
}

/** All channels with what they hold, also of those that hold several. */
function channels(encoding: Spec): [string, Spec][] {
  return Object.entries(encoding).flatMap(([at, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((each): [string, Spec][] => {
      const channel = object(each);
      return channel ? [[at, channel]] : [];
    }),
  );
}
