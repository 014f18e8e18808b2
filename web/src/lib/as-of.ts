import { useCallback } from "react";
import { useSearchParams } from "react-router";

/**
 * The past moment that the page shows, from its address, and how to go to another.
 *
 * It stands in the address so that a moment can be sent to a colleague and left with the back button.
 */
export function useAsOf(): [string | undefined, (moment: string | undefined) => void] {
  const [params, setParams] = useSearchParams();
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
  return [params.get("as_of") ?? undefined, set];
}
