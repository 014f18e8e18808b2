import { columnOf, fieldOf } from "./fields";

/** The short form of a chart: what most people change about one. */
export interface Form {
  mark: string;
  x: string;
  y: string;
  color: string;
  aggregate: string;
}

export const MARKS = ["bar", "line", "area", "point", "arc", "tick", "boxplot"] as const;
export const AGGREGATES = ["", "mean", "sum", "median", "min", "max", "count", "distinct"] as const;

type Spec = Record<string, unknown>;
type Channel = { field?: string; aggregate?: string; type?: string } & Spec;

const object = (value: unknown): Spec =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Spec) : {};

/** What of a specification its short form says. */
export function formOf(spec: Spec): Form {
  const encoding = object(spec.encoding);
  const channel = (name: string) => object(encoding[name]) as Channel;
  const named = ({ field }: Channel) => (typeof field === "string" ? columnOf(field) : "");
  const mark = typeof spec.mark === "string" ? spec.mark : object(spec.mark).type;
  const pie = mark === "arc";
  const y = channel(pie ? "theta" : "y");
  return {
    mark: typeof mark === "string" ? mark : "bar",
    x: named(pie ? channel("color") : channel("x")),
    y: named(y),
    color: pie ? "" : named(channel("color")),
    aggregate: y.aggregate ?? "",
  };
}

/** What a chart of that form is called, while nobody calls it anything else. */
export function titleOf({ x, y, color, aggregate }: Form): string {
  const shown = y ? `${aggregate ? `${aggregate} of ` : ""}${y}` : "rows";
  return [shown, x && `by ${x}`, color && color !== x && `and ${color}`].filter(Boolean).join(" ");
}

/** How Vega-Lite calls a column of a type of ours. */
export function measure(type: string | undefined): "quantitative" | "temporal" | "nominal" {
  if (/^(u?int|float|decimal|double)/i.test(type ?? "")) return "quantitative";
  return /^(date|time)/i.test(type ?? "") ? "temporal" : "nominal";
}

/** A specification with its short form changed; what the form does not speak of stays. */
export function specOf(form: Form, columns: { name: string; type: string }[], before: Spec): Spec {
  const type = (name: string) => measure(columns.find((column) => column.name === name)?.type);
  const was = object(before.encoding);
  const of = (channel: string, field: string, more: Spec = {}): Spec => {
    const old = object(was[channel]) as Channel;
    const name = fieldOf(field);
    const kept = old.field === name ? old : { field: name, title: field };
    const { aggregate: _, ...rest } = { ...kept, ...more } as Spec;
    return {
      ...rest,
      ...(more.aggregate ? { aggregate: more.aggregate } : {}),
      type: more.type ?? kept.type ?? type(field),
    };
  };
  const value = (channel: string): Spec =>
    form.y
      ? of(channel, form.y, {
          type: "quantitative",
          ...(form.aggregate && { aggregate: form.aggregate, title: `${form.aggregate} of ${form.y}` }),
        })
      : { aggregate: "count", type: "quantitative", title: "rows" };
  const mark = { tooltip: true, ...object(before.mark), type: form.mark };
  const { encoding: _, mark: __, ...rest } = before;
  const encoding: Spec =
    form.mark === "arc"
      ? { theta: value("theta"), ...(form.x && { color: of("color", form.x, { type: "nominal" }) }) }
      : {
          ...(form.x && { x: of("x", form.x) }),
          y: value("y"),
          ...(form.color && { color: of("color", form.color) }),
        };
  return { data: { name: "rows" }, width: "container", height: 320, ...rest, mark, encoding };
}
