import { type RefObject, useLayoutEffect, useRef } from "react";
import { useSession } from "../api/session";

const KEY = "weir.sizes";
/** Parts whose heights are kept, at most: those that were seen last. */
const MOST = 60;

/** How wide the page is, as far as its layout differs: see the styles. */
function layout(): string {
  return window.innerWidth > 1180 ? "wide" : window.innerWidth > 760 ? "middle" : "narrow";
}

function read(): Record<string, number> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, number>;
  } catch {
    return {};
  }
}

/** Remembers a height, the newest last. */
export function keepSize(name: string, height: number) {
  const { [name]: before, ...others } = read();
  if (before === height) return;
  const kept = Object.entries(others).slice(-(MOST - 1));
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...Object.fromEntries(kept), [name]: height }));
  } catch {
    // The page is as good without.
  }
}

/**
 * The height that a part of a page had when it was last seen here, for as long as what it shows is still to come.
 *
 * What is below would jump otherwise when it comes: how many lines there will be, nobody knows before.
 */
export function useSize(part: string | undefined, pending: boolean): [RefObject<HTMLDivElement | null>, number?] {
  const workspace = useSession()?.workspace ?? "";
  const box = useRef<HTMLDivElement>(null);
  const name = `${workspace} ${part} ${layout()}`;
  useLayoutEffect(() => {
    const element = box.current;
    if (!part || pending || !element) return;
    const watch = new ResizeObserver(() => keepSize(name, element.offsetHeight));
    watch.observe(element);
    return () => watch.disconnect();
  }, [part, pending, name]);
  return [box, part && pending ? read()[name] : undefined];
}
