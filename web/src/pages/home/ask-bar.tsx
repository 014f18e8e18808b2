import { useCallback, useRef, useState } from "react";
import { useAsOf } from "../../lib/as-of";
import { useKeys } from "../../lib/keys";
import { Icon, type IconName } from "../../ui/icon";
import { useGo } from "../../ui/link";
import { Files } from "../../upload/files";

interface Action {
  key: string;
  name: string;
  icon: IconName;
  /** Where it is done; nowhere else, if it has none. */
  to?: string;
  /** Whether it makes something, which nobody can in the past. */
  makes: boolean;
}

const ACTIONS: Action[] = [
  { key: "u", name: "Upload", icon: "upload", makes: true },
  { key: "q", name: "New query", icon: "query", to: "/query", makes: true },
  { key: "v", name: "Visualize", icon: "chart", to: "/charts/new", makes: true },
  { key: "c", name: "Browse contexts", icon: "context", to: "/contexts", makes: false },
];

/** Whether a text is SQL rather than a question. */
export function isSql(text: string): boolean {
  return /^\s*(select|with|values|explain|describe|show)\b/i.test(text);
}

/** Ask anything, in SQL or in words, and what is done most: by a press of a button or of its letter. */
export function AskBar() {
  const [text, setText] = useState("");
  const files = useRef<HTMLInputElement>(null);
  const [asOf] = useAsOf();
  const go = useGo();
  const past = asOf !== undefined;
  const act = useCallback(
    ({ to, makes }: Action) => {
      if (past && makes) return;
      if (to) go(to);
      else files.current?.click();
    },
    [past, go],
  );
  useKeys(
    useCallback(
      (key) => {
        const action = ACTIONS.find((each) => each.key === key);
        if (action) act(action);
        return action !== undefined;
      },
      [act],
    ),
  );
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
            id="ask"
            aria-label="Ask in SQL or in words"
            aria-keyshortcuts="/ Control+K"
            placeholder="Ask in SQL or in words"
            value={text}
            disabled={past}
            onChange={(event) => setText(event.target.value)}
          />
          <kbd>/</kbd>
        </form>
      </search>
      <nav aria-label="Quick actions">
        {ACTIONS.map((action) => (
          <button
            key={action.key}
            type="button"
            className="button"
            aria-keyshortcuts={action.key}
            disabled={past && action.makes}
            onClick={() => act(action)}
          >
            <Icon name={action.icon} size={16} />
            {action.name} <kbd>{action.key}</kbd>
          </button>
        ))}
        <Files ref={files} multiple hidden aria-label="Files to upload" />
      </nav>
    </div>
  );
}
