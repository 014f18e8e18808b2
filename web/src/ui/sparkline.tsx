/** The path of a line through `values`, in a box of `width` by `height`; nothing where a value is missing. */
export function sparkPath(values: (number | null)[], width: number, height: number): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0 || values.length < 2) return "";
  const top = Math.max(...known);
  const bottom = Math.min(0, ...known);
  const span = top - bottom || 1;
  let pen = "M";
  return values
    .map((value, index) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const point = `${pen}${((index / (values.length - 1)) * width).toFixed(1)} ${(height - ((value - bottom) / span) * height).toFixed(1)}`;
      pen = "L";
      // A value alone is a dot: what has no length is not drawn.
      const alone = point.startsWith("M") && (values[index + 1] ?? null) === null;
      return alone ? `${point}h0.1` : point;
    })
    .join("");
}

/** A small line without axes, beside the figure whose course it shows. */
export function Sparkline({ values, label }: { values: (number | null)[]; label: string }) {
  return (
    <svg className="sparkline" viewBox="-1 -2 102 28" preserveAspectRatio="none" role="img" aria-label={label}>
      <path d={sparkPath(values, 100, 24)} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
