import { useLayoutEffect, useRef } from "react";
import { useLocation, useNavigationType } from "react-router";
import { pageOf } from "../lib/pages";

/** Milliseconds in which a page brings what is to have the focus: its code and its data may be on their way. */
const PATIENCE = 10_000;

/** What has the focus first on the pages where that is not the heading. */
const FIRST: Record<string, string> = { "/query": ".editor .cm-content, textarea.question" };

/** What a link leads to on its page, where it says so in its state. */
function wantedBy(state: unknown): string | undefined {
  const focus = (state as { focus?: unknown } | null)?.focus;
  return typeof focus === "string" ? focus : undefined;
}

/** Moves the focus to the heading of the page that one comes to, as a browser would begin a new document. */
export function useFocus(workspace: string | undefined) {
  const { pathname, key, state } = useLocation();
  const back = useNavigationType() === "POP";
  const here = `${workspace} ${pageOf(pathname)}`;
  const before = useRef({ here, key });
  // Before the browser tells of what has changed: what leads to the page before is at its end then.
  useLayoutEffect(() => {
    const last = before.current;
    before.current = { here, key };
    if (!workspace || (last.here === here && last.key === key)) return;
    const wanted = (back ? undefined : wantedBy(state)) ?? FIRST[pathname];
    // The same page with something else in it keeps the focus, unless what had it is gone.
    if (last.here === here && !wantedBy(state) && document.activeElement !== document.body) return;
    return lead(wanted, back);
  }, [here, key]);
}

/** Leads the focus to what is wanted, or to the heading for as long as that is not there. Gives how to end it. */
export function lead(wanted: string | undefined, still: boolean): () => void {
  const main = document.getElementById("main");
  let ours = document.activeElement;
  if (!main) return () => undefined;
  // A page that has put it somewhere itself knows better.
  if (ours !== main && main.contains(ours)) return () => undefined;
  const end = () => {
    watch.disconnect();
    clearTimeout(late);
    window.removeEventListener("pointerdown", end);
    window.removeEventListener("focusin", elsewhere);
  };
  // Whoever has gone on meanwhile is left alone.
  const elsewhere = (event: FocusEvent) => event.target !== ours && end();
  const look = () => {
    const at = document.activeElement;
    if (at !== ours && at !== document.body) return end();
    const found = wanted ? main.querySelector<HTMLElement>(wanted) : null;
    const target = found ?? main.querySelector("h1") ?? main;
    if (target !== at) {
      if (target !== found) target.tabIndex = -1;
      ours = target;
      target.focus({ preventScroll: still || target === main });
    }
  };
  const watch = new MutationObserver(look);
  const late = setTimeout(end, PATIENCE);
  window.addEventListener("pointerdown", end);
  window.addEventListener("focusin", elsewhere);
  watch.observe(main, { childList: true, subtree: true });
  look();
  return end;
}
