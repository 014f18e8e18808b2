import { createParser } from "eventsource-parser";
import { useEffect, useSyncExternalStore } from "react";
import { authorizedFetch, type Schema, sawPosition } from "./client";

/** An event of the workspace's stream. */
export type StreamEvent = Schema<"CloudEvent">;

/** How the page hears of what happens. */
export type LiveState = "connecting" | "live" | "reconnecting" | "offline";

type Listener = (event: StreamEvent) => void;

/** Milliseconds between attempts: doubled from the first to the last, and scattered. */
const FIRST_WAIT = 500;
const LAST_WAIT = 15_000;
/** The server says something every ten seconds; a connection silent for longer than this is dead. */
const SILENCE = 25_000;

/** Follows a workspace's stream over one connection, and picks it up where it broke off. */
export class LiveStream {
  private readonly listeners = new Set<Listener>();
  private readonly watchers = new Set<() => void>();
  private stopped: AbortController | null = null;
  private last: string | null = null;
  private wake: (() => void) | null = null;
  private broken: AbortController | null = null;
  state: LiveState = "connecting";

  /** Calls `listener` for each event from now on. */
  onEvent(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls `watcher` when the state changes. */
  onState(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Connects, and again whenever the connection breaks, until `stop`. */
  start(workspace: string) {
    this.stop();
    this.last = null;
    this.set("connecting");
    this.stopped = new AbortController();
    void this.run(workspace, this.stopped.signal);
  }

  /** Ends the connection. */
  stop() {
    this.stopped?.abort();
    this.stopped = null;
  }

  /** Gives the connection up, as when the network is gone: it might not tell for a long time. */
  cut() {
    this.broken?.abort();
  }

  /** Tries at once, as when the network is back. */
  hurry() {
    this.wake?.();
  }

  private set(state: LiveState) {
    if (this.state === state) return;
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }

  private async run(workspace: string, stopped: AbortSignal) {
    let wait = FIRST_WAIT;
    while (!stopped.aborted) {
      try {
        await this.connection(workspace, stopped, () => {
          wait = FIRST_WAIT;
        });
      } catch {
        // Why a connection ended makes no difference: the next one goes on behind the last event.
      }
      if (stopped.aborted) return;
      this.set(navigator.onLine ? "reconnecting" : "offline");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait * (0.5 + Math.random() / 2));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      wait = Math.min(wait * 2, LAST_WAIT);
    }
  }

  private async connection(workspace: string, stopped: AbortSignal, connected: () => void) {
    const broken = new AbortController();
    this.broken = broken;
    const headers = new Headers({ Accept: "text/event-stream" });
    if (this.last !== null) headers.set("Last-Event-ID", this.last);
    const request = new Request("/api/v1/events", { headers, signal: AbortSignal.any([stopped, broken.signal]) });
    const response = await authorizedFetch(request);
    if (!response.ok || !response.body) throw new Error(`the stream answered ${response.status}`);
    connected();
    this.set("live");
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (id !== undefined) this.last = id;
        if (event === undefined || !event.startsWith("weir.") || event === "weir.stream.ended" || !data) return;
        const happened = JSON.parse(data) as StreamEvent;
        sawPosition(workspace, happened.position);
        for (const listener of this.listeners) listener(happened);
      },
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let silence = setTimeout(() => broken.abort(), SILENCE);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => broken.abort(), SILENCE);
        parser.feed(value);
      }
    } finally {
      clearTimeout(silence);
      broken.abort();
    }
  }
}

/** The page's own connection. */
export const live = new LiveStream();

window.addEventListener("online", () => live.hurry());
window.addEventListener("offline", () => live.cut());

const watch = (watcher: () => void) => live.onState(watcher);

/** How the page hears of what happens, and a new rendering when that changes. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(
    watch,
    () => live.state,
    () => "connecting",
  );
}

/** Calls `listener` for each event while the component is there; it has to be stable. */
export function useEvents(listener: Listener) {
  useEffect(() => live.onEvent(listener), [listener]);
}
