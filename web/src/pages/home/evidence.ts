import { bytes, count, duration, NOTHING, percent, when } from "../../lib/format";

const MOMENT = /^\d{4}-\d\d-\d\dT/;

/** How a number is read, by what its name ends in. */
function told(name: string, value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value === "number") {
    if (name.endsWith("_ms")) return duration(value);
    if (name.endsWith("rate")) return percent(value);
    return name === "bytes" ? bytes(value) : count(value);
  }
  if (typeof value === "object")
    return Object.values(value)
      .filter((each) => each !== null)
      .join(": ");
  return MOMENT.test(String(value)) ? when(String(value)) : String(value);
}

/** What a recommendation goes by, in words: a name and a value each, without what is not known. */
export function evidence(of: Record<string, unknown>): [string, string][] {
  return Object.entries(of)
    .map(([name, value]): [string, string] => [
      name.replaceAll("_ms", "").replaceAll("_at", "").replaceAll("_", " "),
      told(name, value),
    ])
    .filter(([, value]) => value !== NOTHING && value !== "");
}
