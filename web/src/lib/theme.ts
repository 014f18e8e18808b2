import { useSyncExternalStore } from "react";

/** Light, dark, or what the system prefers. */
export type Theme = "system" | "light" | "dark";

const KEY = "weir.theme";
const listeners = new Set<() => void>();
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

function show() {
  const theme = stored();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener();
}

/** Chooses a theme for this browser. */
export function chooseTheme(theme: Theme) {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  show();
}

dark.addEventListener("change", show);
window.addEventListener("storage", show);
show();

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The chosen theme. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, stored);
}

/** Whether the page is dark now: for what cannot take its colours from the style sheet, such as charts. */
export function useDark(): boolean {
  return useSyncExternalStore(subscribe, () => stored() === "dark" || (stored() === "system" && dark.matches));
}
