import createClient from "openapi-fetch";
import type { components, paths } from "./schema";
import { renew, session } from "./session";

/** A type of the API by its name in openapi.json. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

type Problem = Schema<"Problem">;

/** What the server says when it does not do what it was asked. */
export class ApiError extends Error {
  readonly problem: Problem;
  /** Seconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  get status() {
    return this.problem.status;
  }

  get code() {
    return this.problem.code;
  }
}

/** The position behind which reads must not be: that of the last thing this page did or heard of, by workspace. */
const seen = new Map<string, number>();

/** Remembers that the workspace's stream has come as far as `position`. */
export function sawPosition(workspace: string, position: number) {
  if (position > (seen.get(workspace) ?? 0)) seen.set(workspace, position);
}

function dressed(request: Request): Request {
  const now = session();
  const next = new Request(request);
  if (now) {
    next.headers.set("Authorization", `Bearer ${now.accessToken}`);
    next.headers.set("Weir-Workspace", now.workspace);
    const position = seen.get(now.workspace);
    // What was asked as of a moment does not wait for what came later.
    if (position && request.method === "GET" && !new URL(request.url).searchParams.has("as_of"))
      next.headers.set("Weir-Min-Position", String(position));
  }
  return next;
}

/**
 * `fetch` as the session's user, in the session's workspace.
 *
 * Renews the access token when it is about to end or is refused, and asks once more.
 */
export async function authorizedFetch(request: Request): Promise<Response> {
  let now = session();
  if (now && now.expiresAt - Date.now() < 30_000) {
    await renew(now.accessToken).catch(() => undefined);
    now = session();
  }
  const again = request.clone();
  let response = await fetch(dressed(request));
  if (response.status === 401 && now && !request.url.includes("/auth/") && (await renew(now.accessToken)))
    response = await fetch(dressed(again));
  const position = Number(response.headers.get("Weir-Position"));
  if (now && position && response.ok && request.method !== "GET") sawPosition(now.workspace, position);
  return response;
}

/** The API's methods, typed by openapi.json. */
export const api = createClient<paths>({
  baseUrl: "/",
  fetch: authorizedFetch,
  // The description has no list of repeated parameters; the API takes commas.
  querySerializer: { array: { style: "form", explode: false } },
});

async function problemOf(response: Response, body?: unknown): Promise<ApiError> {
  let problem = body as Partial<Problem> | undefined;
  if (!problem || typeof problem !== "object" || !problem.code)
    problem = {
      code: response.status >= 500 ? "unavailable" : "unexpected",
      title: response.statusText || "The server gave no answer that can be read",
      detail: `The server answered ${response.status}.`,
      status: response.status,
      type: "about:blank",
    };
  const after = Number(response.headers.get("Retry-After"));
  return new ApiError(problem as Problem, after || undefined);
}

/** The body of an answer, or the error that it is. */
export async function unwrap<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok || data === undefined) {
    if (response.status === 204) return undefined as T;
    throw await problemOf(response, error);
  }
  return data;
}

/** The error that an answer of plain `fetch` is. */
export async function failure(response: Response): Promise<ApiError> {
  return problemOf(response, await response.json().catch(() => undefined));
}
