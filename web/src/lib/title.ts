import { useEffect } from "react";

/** Names the page where the browser does: in tabs, in its history, and to screen readers. */
export function useTitle(name: string) {
  useEffect(() => {
    document.title = `${name} · Weir`;
  }, [name]);
}
