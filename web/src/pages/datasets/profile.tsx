import { count, percent } from "../../lib/format";
import { shown } from "../../ui/rows";
import { Head } from "../../ui/table";
import type { ColumnProfile, Profile } from "./queries";

/** How the values of a column lie, or how often each of the commonest is there. */
function Bars({ column }: { column: ColumnProfile }) {
  const bars = column.histogram?.length
    ? column.histogram.map(({ from, to, count }) => ({ name: `${shown(from)} to ${shown(to)}`, count }))
    : (column.top ?? []).slice(0, 12).map(({ value, count }) => ({ name: shown(value), count }));
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const width = 120 / Math.max(1, bars.length);
  return (
    <svg className="bars-small" viewBox="0 0 120 32" role="img" aria-label={`How the values of ${column.name} lie`}>
      {bars.map((bar, index) => (
        <rect
          key={bar.name}
          x={index * width}
          width={Math.max(0.5, width - 1)}
          y={32 - (bar.count / most) * 31}
          height={(bar.count / most) * 31}
        >
          <title>{`${bar.name}: ${count(bar.count)}`}</title>
        </rect>
      ))}
    </svg>
  );
}

/** What each column holds. */
export function ProfileTable({ profile }: { profile: Profile }) {
  const keys = profile.likely_keys.map((key) => (Array.isArray(key) ? key.join(" + ") : key));
  return (
    <>
      <p className="quiet">
        {count(profile.rows)} rows, {percent(profile.duplicate_rows)} of them repeat others.{" "}
        {keys.length > 0 && `Likely keys: ${keys.join(", ")}.`}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled has to be reached by keys */}
      <section className="rows" aria-label="Profile" tabIndex={0}>
        <table>
          <Head
            columns={[
              "Column",
              "Values",
              { number: "Missing" },
              { number: "Distinct" },
              { number: "Least" },
              { number: "Median" },
              { number: "Mean" },
              { number: "Greatest" },
              "Commonest",
            ]}
          />
          <tbody>
            {profile.columns.map((column) => (
              <tr key={column.name}>
                <th scope="row">
                  {column.name}
                  <span className="type">{column.type}</span>
                </th>
                <td>
                  <Bars column={column} />
                </td>
                <td data-number>{percent(profile.rows ? column.nulls / profile.rows : null)}</td>
                <td data-number>
                  {column.distinct_exact ? "" : "≈ "}
                  {count(column.distinct)}
                </td>
                <td data-number>{shown(column.min)}</td>
                <td data-number>{shown(column.quantiles?.find((each) => each.share === 0.5)?.value)}</td>
                <td data-number>{column.mean == null ? "–" : column.mean.toPrecision(5)}</td>
                <td data-number>{shown(column.max)}</td>
                <td className="commonest">
                  {(column.top ?? [])
                    .slice(0, 3)
                    .map((each) => `${shown(each.value)} (${count(each.count)})`)
                    .join(", ")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
