import { useSyncExternalStore } from "react";

/** Who is logged in, and in which workspace they are. */
export interface Session {
  accessToken: string;
  refreshToken: string;
  /** When the access token ends, in milliseconds since 1970. */
  expiresAt: number;
  user: { id: string; name: string; email: string };
  workspace: string;
}

const KEY = "weir.session";
const listeners = new Set<() => void>();
let current: Session | null | undefined;

function read(): Session | null {
  try {
    const text = localStorage.getItem(KEY);
    return text ? (JSON.parse(text) as Session) : null;
  } catch {
    return null;
  }
}

function tell() {
  for (const listener of listeners) listener();
}

// Another tab logged in, out, or renewed the tokens.
window.addEventListener("storage", (event) => {
  if (event.key === KEY || event.key === null) {
    current = undefined;
    tell();
  }
});

/** The session as it is now. */
export function session(): Session | null {
  if (current === undefined) current = read();
  return current;
}

/** Keeps a session, for this tab and for all others; `null` forgets it. */
export function keepSession(next: Session | null) {
  current = next;
  if (next) localStorage.setItem(KEY, JSON.stringify(next));
  else localStorage.removeItem(KEY);
  tell();
}

/** What the API answers to whoever registers, logs in or refreshes. */
interface Granted {
  access_token: string;
  refresh_token: string;
  expires_in: number;
  user: { id: string; name: string; email: string };
  workspace: { id: string };
}

/** Keeps what registering, logging in or refreshing answered; a refresh stays in its workspace. */
export function grant(granted: Granted, workspace?: string) {
  keepSession({
    accessToken: granted.access_token,
    refreshToken: granted.refresh_token,
    expiresAt: Date.now() + granted.expires_in * 1000,
    user: { id: granted.user.id, name: granted.user.name, email: granted.user.email },
    workspace: workspace ?? granted.workspace.id,
  });
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** The session, and a new rendering when it changes. */
export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, session, () => null);
}

/** Runs `task` while no other tab runs one of that name; where the browser has no locks, at once. */
async function alone<T>(name: string, task: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return task();
  return await navigator.locks.request(name, task);
}

/** Whether the session could be renewed: `false` when it has ended, an error when the server cannot be asked. */
let renewal: Promise<boolean> | null = null;

/**
 * Trades the refresh token for new tokens, once for all who wait for it.
 *
 * A refresh token serves once: using an old one ends the session everywhere. So tabs take turns, and whoever comes
 * second finds the tokens that the first one got.
 */
export function renew(stale: string): Promise<boolean> {
  renewal ??= alone("weir.refresh", async () => {
    current = undefined;
    const before = session();
    if (!before) return false;
    if (before.accessToken !== stale) return true;
    const response = await fetch("/api/v1/auth/refresh", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ refresh_token: before.refreshToken }),
    });
    if (response.ok) {
      grant((await response.json()) as Granted, before.workspace);
      return true;
    }
    if (response.status === 401 || response.status === 422) {
      keepSession(null);
      return false;
    }
    throw new Error(`the session could not be renewed: ${response.status}`);
  }).finally(() => {
    renewal = null;
  });
  return renewal;
}
