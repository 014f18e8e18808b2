import { NOTHING } from "../lib/format";

const NUMERIC = /^(u?int|float|decimal|double|number)/i;

/** A value of an answer, as one reads it. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  // As it is: a year is no count.
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Whether values of a type stand at the right, one below the other. */
export function isNumeric(type: string): boolean {
  return NUMERIC.test(type);
}

/** Some rows as a plain table: for previews, not for a hundred thousand. */
export function Rows({
  label,
  columns,
  rows,
}: {
  label: string;
  columns: { name: string; type: string }[];
  rows: unknown[][];
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled has to be reached by keys
    <section className="rows" aria-label={label} tabIndex={0}>
      <table>
        <caption className="for-readers">{label}</caption>
        <thead>
          <tr>
            {columns.map(({ name, type }) => (
              <th key={name} scope="col" data-number={isNumeric(type) || undefined}>
                {name}
                <span className="type">{type}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {columns.map(({ name, type }, at) => (
                <td key={name} data-number={isNumeric(type) || undefined} data-nothing={row[at] === null || undefined}>
                  {shown(row[at])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
