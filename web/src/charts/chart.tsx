import { useEffect, useMemo, useRef, useState } from "react";
import { parse, View } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import { compile, type TopLevelSpec } from "vega-lite";
import { useDark } from "../lib/theme";
import { Failure } from "../ui/card";
import { faults } from "./check";

/** A table as the API answers it. */
export interface Table {
  columns: { name: string }[];
  rows: unknown[][];
}

/** Lines have their points marked up to so many rows: of a single one nothing else would be seen. */
const MARKED = 40;

/** Charts ask the style sheet for their colours, so that they are dark when the page is. */
function colours(element: Element) {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  const text = style.color;
  return {
    background: "transparent",
    font: style.fontFamily,
    view: { stroke: "transparent" },
    axis: {
      domainColor: of("--line-strong"),
      gridColor: of("--line"),
      tickColor: of("--line-strong"),
      labelColor: text,
      titleColor: text,
      titleFontWeight: 500 as const,
    },
    legend: { labelColor: text, titleColor: text },
    title: { color: text },
    range: { category: ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"].map(of) },
    mark: { color: of("--c1") },
    // As many places as there are, and no more: an axis over one value alone would have six.
    numberFormat: ",.12~g",
  };
}

/** What a specification loses in a thumbnail: everything that one cannot read there. */
function small(spec: Record<string, unknown>): Record<string, unknown> {
  return {
    ...spec,
    title: undefined,
    width: "container",
    height: "container",
    padding: 2,
    autosize: { type: "fit", contains: "padding" },
    config: { axis: { disable: true }, legend: { disable: true }, header: { labels: false, title: null } },
  };
}

/** An error of what draws, as one: its words are about code that the reader has not written. */
function undrawn(reason: unknown): Error {
  return new Error(`This specification cannot be drawn: ${reason instanceof Error ? reason.message : String(reason)}`);
}

/**
 * A Vega-Lite specification drawn over a table.
 *
 * Expressions are interpreted, not compiled to code, since the pages allow no code that is made from text.
 */
export default function Chart({
  spec,
  table,
  label,
  thumbnail = false,
}: {
  spec: Record<string, unknown>;
  table: Table;
  label: string;
  thumbnail?: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const wrong = useMemo(() => faults(spec, table.columns), [spec, table]);
  const dark = useDark();
  const [error, setError] = useState<unknown>();

  // Colours are read anew when the theme changes.
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let view: View | undefined;
    let observer: ResizeObserver | undefined;
    try {
      const values = table.rows.map((row) =>
        Object.fromEntries(table.columns.map((column, index) => [column.name, row[index]])),
      );
      // Data that a specification does not name are those of its query.
      const whole = { data: { name: "rows" }, ...spec };
      const wanted = thumbnail ? small(whole) : whole;
      const point = values.length === 1 || (!thumbnail && values.length <= MARKED);
      const { spec: compiled } = compile({ ...wanted, datasets: { rows: values } } as unknown as TopLevelSpec, {
        config: { ...colours(element), line: { point } } as never,
      });
      view = new View(parse(compiled, undefined, { ast: true }), {
        expr: expressionInterpreter as never,
        renderer: "svg",
        hover: !thumbnail,
        container: element,
        // Data comes with the specification: a chart asks no other host for anything.
        loader: { load: () => Promise.reject(new Error("charts load nothing")) } as never,
      });
      view.runAsync().catch((reason) => setError(undrawn(reason)));
      // Sizes "container" follow the window alone; the box changes with the layout too.
      observer = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));
      observer.observe(element);
      setError(undefined);
    } catch (reason) {
      setError(undrawn(reason));
    }
    return () => {
      observer?.disconnect();
      view?.finalize();
    };
  }, [spec, table, thumbnail, dark]);

  return (
    <>
      {wrong.length > 0 && !thumbnail && wrong.map((each) => <Failure key={each} error={each} />)}
      <div className="chart" ref={box} role="img" aria-label={label} hidden={error !== undefined} />
      {error !== undefined && (wrong.length === 0 || thumbnail) && <Failure error={error} />}
    </>
  );
}
