import { useState } from "react";
import { useNavigationType } from "react-router";
import { useSession } from "../api/session";

const KEY = "weir.draft";

function read(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, text: string | null) {
  try {
    if (text === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    // The page is as good without.
  }
}

/** Forgets all that was written in this tab, as when somebody else is to sit here. */
export function forgetDrafts() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(KEY)) write(key, null);
}

/** Which text of before an editor takes in place of what it begins with. */
export type Takes =
  /** What was written last, whatever it began with. */
  | "last"
  /** What was made of the same beginning, where one goes back to it. */
  | "same"
  | "none";

/**
 * The text of an editor, for who goes to another page and comes back in this tab; how to change it, and how to forget what
 * was written.
 */
export function useDraft(name: string, from: string, takes: Takes): [string, (text: string) => void, () => void] {
  const session = useSession();
  const last = `${KEY} ${session?.user.id} ${session?.workspace} ${name}`;
  const same = `${last} ${from}`;
  const back = useNavigationType() === "POP";
  const [text, setText] = useState(() => {
    if (takes === "none") return from;
    return (back ? read(same) : null) ?? (takes === "last" ? read(last) : null) ?? from;
  });
  const keep = (draft: string | null) => {
    write(last, draft);
    write(same, draft);
  };
  return [
    text,
    (next) => {
      setText(next);
      keep(next.trim() && next !== from ? next : null);
    },
    () => keep(null),
  ];
}
