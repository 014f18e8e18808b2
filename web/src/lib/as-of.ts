import { useCallback } from "react";
import { parsePath, type To, useLocation, useSearchParams } from "react-router";
import { count, when } from "./format";

/** A time as RFC 3339 has it, or a date: what else a browser takes for a time, the server does not. */
const TIME = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?$/i;
/** The position of an event in the log, after which things are shown. */
const POSITION = /^\d{1,18}$/;

/** Why a moment that stands in an address cannot be shown. */
export type Fault = "unreadable" | "ahead";

/** Why a moment cannot be shown, if it cannot. */
export function faultOf(moment: string, now: number): Fault | undefined {
  if (POSITION.test(moment)) return;
  const date = TIME.exec(moment)?.[1];
  const time = Date.parse(moment);
  if (!date || Number.isNaN(time)) return "unreadable";
  // Some browsers take the 30th of February for a day in March.
  const day = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return "unreadable";
  if (time > now) return "ahead";
}

/** A moment in words, to follow "after" or "on". */
export function momentSaid(moment: string): { after: boolean; said: string } {
  return POSITION.test(moment)
    ? { after: true, said: `event ${count(Number(moment))}` }
    : { after: false, said: when(moment) };
}

/** Whether a page has a past: how one is set up, and how the installation runs, is shown as it is now. */
export function hasPast(pathname: string): boolean {
  return !/^\/(settings|operations)(\/|$)/.test(pathname);
}

/** An address within the pages, at the moment that is shown here. */
export function withMoment(to: To, asOf: string | undefined): To {
  const path = typeof to === "string" ? parsePath(to) : to;
  const search = path.search ?? "";
  if (!asOf || !hasPast(path.pathname ?? "") || new URLSearchParams(search).has("as_of")) return to;
  return { ...path, search: `${search ? `${search}&` : "?"}as_of=${encodeURIComponent(asOf)}` };
}

/**
 * The past moment that the page shows, from its address, and how to go to another.
 *
 * It stands in the address so that a moment can be sent to a colleague and left with the back button.
 */
export function useAsOf(): [string | undefined, (moment: string | undefined) => void] {
  const [params, setParams] = useSearchParams();
  const { pathname } = useLocation();
  const set = useCallback(
    (moment: string | undefined) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          if (moment) next.set("as_of", moment);
          else next.delete("as_of");
          return next;
        },
        { replace: true },
      ),
    [setParams],
  );
  const moment = params.get("as_of");
  return [moment && hasPast(pathname) && !faultOf(moment, Date.now()) ? moment : undefined, set];
}

/** The moment in the page's address that cannot be shown, and why. */
export function useFault(): { moment: string; fault: Fault } | undefined {
  const { pathname, search } = useLocation();
  const moment = new URLSearchParams(search).get("as_of");
  const fault = moment && hasPast(pathname) ? faultOf(moment, Date.now()) : undefined;
  return moment && fault ? { moment, fault } : undefined;
}
