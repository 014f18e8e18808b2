import { type RefObject, useEffect, useRef, useState } from "react";
import { Icon, type IconName } from "../../ui/icon";
import { useGo } from "../../ui/link";

const ACTIONS: { key: string; name: string; icon: IconName; to: string }[] = [
  { key: "u", name: "Upload", icon: "upload", to: "/datasets" },
  { key: "q", name: "New query", icon: "query", to: "/query" },
  { key: "v", name: "Visualize", icon: "chart", to: "/charts/new" },
  { key: "c", name: "Browse contexts", icon: "context", to: "/contexts" },
];

/** Whether a key is meant for what has the focus. */
function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** `/` and Ctrl-K go to the box; a letter alone does an action. */
function useKeys(box: RefObject<HTMLInputElement | null>, go: (to: string) => void) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const control = event.ctrlKey || event.metaKey;
      if ((control && event.key.toLowerCase() === "k") || (event.key === "/" && !typing(event.target))) {
        event.preventDefault();
        box.current?.focus();
        return;
      }
      if (control || event.altKey || typing(event.target)) return;
      const action = ACTIONS.find(({ key }) => key === event.key);
      if (action) go(action.to);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [box, go]);
}

/** Whether a text is SQL rather than a question. */
export function isSql(text: string): boolean {
  return /^\s*(select|with|values|explain|describe|show)\b/i.test(text);
}

/** Ask anything, in SQL or in words, and what is done most. */
export function AskBar({ disabled }: { disabled: boolean }) {
  const [text, setText] = useState("");
  const box = useRef<HTMLInputElement>(null);
  const go = useGo();
  useKeys(box, go);
  return (
    <div className="ask">
      <search>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (text.trim()) go(`/query?${isSql(text) ? "run&sql" : "question"}=${encodeURIComponent(text)}`);
          }}
        >
          <Icon name="search" />
          <input
            ref={box}
            aria-label="Ask in SQL or in words"
            aria-keyshortcuts="/ Control+K"
            placeholder="Ask in SQL or in words"
            value={text}
            disabled={disabled}
            onChange={(event) => setText(event.target.value)}
          />
          <kbd>/</kbd>
        </form>
      </search>
      <nav aria-label="Quick actions">
        {ACTIONS.map(({ key, name, icon, to }) => (
          <button
            key={key}
            type="button"
            className="button"
            aria-keyshortcuts={key}
            disabled={disabled}
            onClick={() => go(to)}
          >
            <Icon name={icon} size={16} />
            {name} <kbd>{key}</kbd>
          </button>
        ))}
      </nav>
    </div>
  );
}
