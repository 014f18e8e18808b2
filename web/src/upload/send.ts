import { ApiError, type Schema } from "../api/client";
import { renew, session } from "../api/session";

/** What the server answers to a file: the table that it became, or that it is still being read. */
export interface Received {
  id: string;
  name: string;
  status: string;
  rows?: number | null;
}

/** How a file is to be read, where that is not found out from it. */
export type ReadOptions = Partial<Schema<"UploadOptions">>;

/** What is to be sent, and as what. */
export interface Sending {
  file: File;
  /** A dataset of which it is the next version; without one it makes a dataset. */
  dataset?: string;
  options?: ReadOptions;
  /** The same for each try, so that a try whose answer was lost makes nothing twice. */
  key: string;
}

/** The name that a table gets from its file: without folders and endings. */
export function tableName(file: string): string {
  const name = file.replace(/^.*[\\/]/, "").replace(/\.(gz|zst)$/i, "");
  return name.replace(/\.(csv|tsv|txt|json|jsonl|ndjson|xlsx|xls|parquet|arrow|feather|ipc)$/i, "") || "data";
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
  const { file, dataset, options, key } = sending;
  const params = new URLSearchParams({ file_name: file.name });
  if (!dataset) params.set("name", tableName(file.name));
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
