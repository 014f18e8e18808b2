import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { plural } from "../../lib/format";
import { isNumeric, shown } from "../../ui/rows";

const HEIGHT = 28;

/** Compares two values of a column: what is missing comes last. */
export function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [shown(a), shown(b)];
  // Numbers that are too exact for JavaScript come as texts.
  const [x, y] = [Number(left), Number(right)];
  if (left !== "" && right !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return left < right ? -1 : 1;
}

/** Rows and columns as text that a spreadsheet takes. */
export function tsv(columns: { name: string }[], rows: unknown[][]): string {
  const cell = (value: unknown) =>
    value === null || value === undefined
      ? ""
      : (typeof value === "object" ? JSON.stringify(value) : String(value)).replace(/[\t\r\n]+/g, " ");
  return [columns.map((column) => cell(column.name)), ...rows.map((row) => row.map(cell))]
    .map((line) => line.join("\t"))
    .join("\n");
}

/** Pixels that the numbers of so many rows take. */
export function numberWidth(rows: number): number {
  return Math.max(44, 24 + 9 * String(rows).length);
}

/** A result of any size: only the rows in sight are on the page. Arrow keys go from cell to cell, Ctrl-C copies one. */
export function Grid({
  columns,
  rows,
  cut = false,
}: {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  /** Whether there are more rows than these. */
  cut?: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [sort, setSort] = useState<{ column: number; down: boolean }>();
  const [cell, setCell] = useState({ row: 0, column: 0 });
  const sorted = useMemo(() => {
    if (!sort) return rows;
    const { column, down } = sort;
    const order = [...rows].sort((a, b) => {
      const result = compare(a[column], b[column]);
      const missing = a[column] == null || b[column] == null;
      return down && !missing ? -result : result;
    });
    return order;
  }, [rows, sort]);
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => box.current,
    estimateSize: () => HEIGHT,
    overscan: 12,
    initialRect: { width: 800, height: 480 },
  });
  const widths = useMemo(
    () =>
      columns.map((column, index) => {
        const longest = rows
          .slice(0, 60)
          .reduce((most, row) => Math.max(most, shown(row[index]).length), column.name.length + 2);
        return Math.min(Math.max(longest * 8 + 24, 70), 340);
      }),
    [columns, rows],
  );
  const numbers = numberWidth(rows.length);
  const total = widths.reduce((sum, width) => sum + width, numbers);
  const sortBy = (column: number) => {
    setSort(sort?.column !== column ? { column, down: false } : sort.down ? undefined : { column, down: true });
    // What comes first now is what one wants to see.
    setCell({ row: 0, column });
    if (box.current) box.current.scrollTop = 0;
  };
  const move = (event: KeyboardEvent) => {
    const page = Math.floor((box.current?.clientHeight ?? 480) / HEIGHT) - 2;
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      PageDown: [page, 0],
      PageUp: [-page, 0],
    };
    if ((event.ctrlKey || event.metaKey) && event.key === "c" && !String(window.getSelection())) {
      void navigator.clipboard.writeText(shown(sorted[cell.row]?.[cell.column]));
      return;
    }
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const row = Math.min(Math.max(cell.row + step[0], 0), sorted.length - 1);
    const column = Math.min(Math.max(cell.column + step[1], 0), columns.length - 1);
    setCell({ row, column });
    virtual.scrollToIndex(row);
  };
  const grid = (
    // biome-ignore lint/a11y/useSemanticElements: a table of a hundred thousand rows cannot be made of elements
    <div
      className="grid"
      ref={box}
      role="grid"
      tabIndex={0}
      aria-label="Result"
      aria-rowcount={sorted.length + 1}
      aria-colcount={columns.length}
      aria-activedescendant={`cell-${cell.row}-${cell.column}`}
      onKeyDown={move}
    >
      {/* biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above; the grid has the focus */}
      <div className="grid-head" role="row" aria-rowindex={1} style={{ width: total }}>
        <span className="grid-number" aria-hidden="true" style={{ width: numbers }} />
        {columns.map((column, index) => (
          // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above
          <span
            key={column.name}
            role="columnheader"
            aria-sort={sort?.column === index ? (sort.down ? "descending" : "ascending") : "none"}
            style={{ width: widths[index] }}
            data-number={isNumeric(column.type) || undefined}
          >
            <button type="button" tabIndex={-1} title={`${column.name}: ${column.type}`} onClick={() => sortBy(index)}>
              {column.name}
              {sort?.column === index && (sort.down ? " ↓" : " ↑")}
            </button>
          </span>
        ))}
      </div>
      <div role="presentation" style={{ height: virtual.getTotalSize(), width: total, position: "relative" }}>
        {virtual.getVirtualItems().map(({ index, start }) => (
          // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above
          <div
            key={index}
            className="grid-row"
            role="row"
            aria-rowindex={index + 2}
            style={{ transform: `translateY(${start}px)`, height: HEIGHT, width: total }}
          >
            <span className="grid-number" aria-hidden="true" style={{ width: numbers }}>
              {index + 1}
            </span>
            {columns.map((column, at) => {
              const value = sorted[index]?.[at];
              return (
                // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive lint/a11y/useKeyWithClickEvents: as above; keys are the grid's
                <span
                  key={column.name}
                  id={`cell-${index}-${at}`}
                  role="gridcell"
                  aria-selected={cell.row === index && cell.column === at}
                  style={{ width: widths[at] }}
                  data-number={isNumeric(column.type) || undefined}
                  data-nothing={value === null || undefined}
                  title={shown(value)}
                  onClick={() => setCell({ row: index, column: at })}
                >
                  {value === null ? "null" : shown(value)}
                </span>
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
  return (
    <>
      {sort && cut && (
        <p className="quiet" role="status">
          Only the {plural(rows.length, "row")} shown are sorted. ORDER BY in the SQL sorts all.
        </p>
      )}
      {grid}
    </>
  );
}
