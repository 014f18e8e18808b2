import { authorizedFetch, failure } from "../api/client";

/** Hands bytes to the browser as a file. */
export function save(content: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Saves what is at an address of the API, which needs the session's token, as a file. */
export async function download(address: string, name: string, accept?: string) {
  const response = await authorizedFetch(new Request(address, { headers: accept ? { Accept: accept } : {} }));
  if (!response.ok) throw await failure(response);
  save(await response.blob(), name);
}
