import { useEffect } from "react";

/** Whether a key is meant for what has the focus. */
function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Whether something lies over the page, to which keys belong then. */
function covered(): boolean {
  return document.querySelector("dialog[open], .popover:not([hidden]), .side[data-open]") !== null;
}

/** A key that was pressed for the page: `ask` is `/` or Ctrl-K, a letter is itself. */
export function pressed(event: KeyboardEvent): string | undefined {
  if (event.defaultPrevented || event.repeat || event.isComposing || covered()) return;
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key.toLowerCase() === "k") return "ask";
  if (control || event.altKey || typing(event.target)) return;
  return event.key === "/" ? "ask" : event.key;
}

/** Calls `act` for keys that are pressed for the page; what it takes does nothing else. It has to be stable. */
export function useKeys(act: (key: string) => boolean) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const key = pressed(event);
      if (key !== undefined && act(key)) event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [act]);
}
