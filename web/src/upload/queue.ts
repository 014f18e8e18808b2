import { useSyncExternalStore } from "react";
import { ApiError, api, type Schema, unwrap } from "../api/client";
import { queryClient } from "../api/queries";
import { type Received, type Sending, send } from "./send";

/** Where a file is on its way. */
export type Stage = "waiting" | "sending" | "reading" | "ready" | "failed";

/** A file on its way. */
export interface Upload extends Sending {
  id: number;
  stage: Stage;
  /** Bytes that were sent. */
  sent: number;
  error?: unknown;
  result?: Received;
  stop: AbortController;
}

/** What a file becomes, and how it is read. */
export type Into = Pick<Sending, "dataset" | "name" | "options">;

/** Files that are sent at the same time. */
const AT_ONCE = 2;
/** Milliseconds between looks whether a file is read. */
const LOOK = 700;

let uploads: readonly Upload[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Upload[]) {
  uploads = next;
  for (const listener of listeners) listener();
}

function change(id: number, part: Partial<Upload>) {
  set(uploads.map((upload) => (upload.id === id ? { ...upload, ...part } : upload)));
}

/** Whether the file is a table at last, or why not. */
async function settled(received: Received, stopped: AbortSignal): Promise<Received> {
  let at = received;
  while (at.status === "ingesting") {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    stopped.throwIfAborted();
    at = await unwrap(api.GET("/api/v1/datasets/{id}", { params: { path: { id: received.id } } }));
  }
  const rejection = (at as Schema<"Dataset">).rejection;
  if (at.status === "rejected" || rejection) {
    const { code = "rejected", detail = "The file could not be read.", row, column, found } = rejection ?? {};
    throw new ApiError({
      type: "about:blank",
      code,
      title: "The file could not be read",
      detail,
      status: 422,
      errors: [{ code, detail: found ?? detail, line: row ?? null, field: column ?? null }],
    });
  }
  return at;
}

async function carry(upload: Upload) {
  const { id, stop } = upload;
  change(id, { stage: "sending", sent: 0, error: undefined });
  try {
    const received = await send(
      upload,
      (sent) => change(id, sent >= upload.file.size ? { sent, stage: "reading" } : { sent }),
      stop.signal,
    );
    change(id, { stage: "reading", result: received });
    const result = await settled(received, stop.signal);
    change(id, { stage: "ready", result });
  } catch (error) {
    if (stop.signal.aborted) set(uploads.filter((each) => each.id !== id));
    else change(id, { stage: "failed", error });
  }
  void queryClient.invalidateQueries({
    predicate: ({ queryKey }) => /^(dashboard|datasets)$/.test(String(queryKey[0])),
  });
  next();
}

function next() {
  const busy = uploads.filter(({ stage }) => stage === "sending" || stage === "reading").length;
  for (const upload of uploads.filter(({ stage }) => stage === "waiting").slice(0, Math.max(0, AT_ONCE - busy)))
    void carry(upload);
}

/** Waits until none of some files is on its way any more. */
export function uploaded(ids: number[]): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (uploads.some(({ id, stage }) => ids.includes(id) && stage !== "ready" && stage !== "failed")) return;
      listeners.delete(look);
      resolve();
    };
    listeners.add(look);
    look();
  });
}

/** Sends files, a few at a time; they go on when the page is left for another one. Gives their ids here. */
export function startUploads(files: Iterable<File>, into?: Into): number[] {
  const added = [...files].map((file): Upload => {
    last += 1;
    return {
      id: last,
      file,
      ...into,
      key: crypto.randomUUID(),
      stage: "waiting",
      sent: 0,
      stop: new AbortController(),
    };
  });
  set([...added, ...uploads]);
  next();
  return added.map(({ id }) => id);
}

/** Tries a file again, as something else or read differently if `other` says so. */
export function retryUpload(upload: Upload, other?: Into) {
  // Read differently it is another request.
  const key = other ? crypto.randomUUID() : upload.key;
  change(upload.id, { stage: "waiting", ...other, key, stop: new AbortController() });
  next();
}

/** Takes all files off the list that are not on their way any more. */
export function dropSettled() {
  set(uploads.filter(({ stage }) => stage !== "ready" && stage !== "failed"));
}

/** Takes a file off the list; one on its way is stopped. */
export function dropUpload(upload: Upload) {
  upload.stop.abort();
  set(uploads.filter((each) => each.id !== upload.id));
}

/** The files on their way, and those of before. */
export function useUploads(): readonly Upload[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    () => uploads,
  );
}
