import { ApiError, type Schema } from "../api/client";
import { renew, session } from "../api/session";

/** What the server answers to a file: the table that it became, or that it is still being read. */
export interface Received {
  id: string;
  name: string;
  status: string;
  rows?: number | null;
  /** All sheets of a workbook, of which one was read. */
  sheets?: Schema<"DatasetSheet">[];
}

/** How a file is to be read, where that is not found out from it. */
export type ReadOptions = Partial<Schema<"UploadOptions">>;

/** What is to be sent, and as what. */
export interface Sending {
  file: File;
  /** A dataset of which it is the next version; without one it makes a dataset. */
  dataset?: string;
  /** What that is called, where it is not called after its file. */
  name?: string;
  options?: ReadOptions;
  /** The same for each try, so that a try whose answer was lost makes nothing twice. */
  key: string;
}

/** The name that a table gets from its file: without folders and endings. */
export function tableName(file: string): string {
  const name = file.replace(/^.*[\\/]/, "").replace(/\.(gz|zst)$/i, "");
  return name.replace(/\.(csv|tsv|txt|json|jsonl|ndjson|xlsx|xls|parquet|arrow|feather|ipc)$/i, "") || "data";
}

/** Characters that a name has at most. */
export const LONGEST = 128;

/** Another name for a table: one that was taken has a number after it, one that was too long is cut. */
export function otherName(name: string): string {
  const [, whole = name, number] = /^(.*) (\d{1,4})$/.exec(name) ?? [];
  const end = ` ${Number(number ?? 1) + 1}`;
  return [...name].length > LONGEST
    ? [...name].slice(0, LONGEST).join("").trim()
    : [...whole].slice(0, LONGEST - end.length).join("") + end;
}

/** The sheet of a workbook that was read, counted from one: the wanted one, or the first with anything on it. */
export function sheetRead(sheets: Schema<"DatasetSheet">[], wanted: unknown): number {
  const asked = wanted == null || wanted === "" ? -1 : sheets.findIndex(({ name }) => name === String(wanted));
  if (asked >= 0) return asked + 1;
  const number = Number(wanted);
  if (wanted != null && number >= 1 && number <= sheets.length) return number;
  return sheets.findIndex(({ rows, columns }) => rows > 0 || columns > 0) + 1 || 1;
}

/** Sends a file. `fetch` does not tell how far it is; this does. */
export async function send(
  sending: Sending,
  progress: (sent: number) => void,
  stopped: AbortSignal,
): Promise<Received> {
  const now = session();
  if (!now) throw new Error("log in first");
  if (now.expiresAt - Date.now() < 60_000) await renew(now.accessToken).catch(() => undefined);
  const { file, dataset, name, options, key } = sending;
  const params = new URLSearchParams({ file_name: file.name });
  if (!dataset) params.set("name", name ?? tableName(file.name));
  if (options) params.set("options", JSON.stringify(options));
  const to = dataset ? `/api/v1/datasets/${dataset}/versions` : "/api/v1/datasets";
  return await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${to}?${params}`);
    const current = session() ?? now;
    request.setRequestHeader("Authorization", `Bearer ${current.accessToken}`);
    request.setRequestHeader("Weir-Workspace", current.workspace);
    request.setRequestHeader("Idempotency-Key", key);
    request.setRequestHeader("Prefer", "wait=20");
    // What it is, is found out from what is in it.
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => {
      const body = (() => {
        try {
          return JSON.parse(request.responseText);
        } catch {
          return undefined;
        }
      })();
      if (request.status < 300 && body) return resolve(body);
      reject(
        new ApiError({
          type: "about:blank",
          code: "unexpected",
          title: "The file was not taken",
          detail: `The server answered ${request.status}.`,
          status: request.status,
          ...body,
        }),
      );
    };
    request.onerror = () => reject(new TypeError("the connection broke"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    stopped.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
