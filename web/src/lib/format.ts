const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** What stands where there is no value. */
export const NOTHING = "–";

/** A count with its thousands set apart: `336,776`. */
export function count(value: number | null | undefined): string {
  return value == null ? NOTHING : whole.format(value);
}

/** A count for small places: `336.8K`. */
export function compact(value: number | null | undefined): string {
  return value == null ? NOTHING : short.format(value);
}

/** A number of bytes in units of 1,000: `29.8 MB`. */
export function bytes(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let size = value;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 99.95 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** A duration in milliseconds: `0.4 ms`, `38 ms`, `1.9 s`, `2 min 5 s`. */
export function duration(ms: number | null | undefined): string {
  if (ms == null) return NOTHING;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A share of one as a percentage: `73 %`, `0.4 %`. */
export function percent(share: number | null | undefined): string {
  if (share == null) return NOTHING;
  const value = share * 100;
  if (value === 0 || value >= 9.95) return `${Math.round(value)} %`;
  return value < 0.05 ? "< 0.1 %" : `${value.toFixed(1)} %`;
}

/** How long ago something was, seen from `now`: `just now`, `5 min. ago`, `yesterday`. */
export function ago(at: string | null | undefined, now: number): string {
  if (!at) return NOTHING;
  const seconds = (Date.parse(at) - now) / 1000;
  const past = Math.abs(seconds);
  if (past < 45) return "just now";
  if (past < 45 * 60) return relative.format(Math.round(seconds / 60), "minute");
  if (past < 22 * 3600) return relative.format(Math.round(seconds / 3600), "hour");
  if (past < 26 * 86_400) return relative.format(Math.round(seconds / 86_400), "day");
  if (past < 320 * 86_400) return relative.format(Math.round(seconds / (30.44 * 86_400)), "month");
  return relative.format(Math.round(seconds / (365.25 * 86_400)), "year");
}

/** A moment in the reader's own time zone: `3 Mar 2026, 14:05`. */
export function when(at: string | number | null | undefined): string {
  const time = at == null ? Number.NaN : new Date(at).getTime();
  return Number.isNaN(time) ? NOTHING : moment.format(time);
}

/** `1 row`, `2 rows`. */
export function plural(value: number | null | undefined, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
