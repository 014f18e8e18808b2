import { beforeEach, expect, test, vi } from "vitest";
import { authorizedFetch, sawPosition } from "./client";
import { keepSession, renew, type Session, session } from "./session";

const SESSION: Session = {
  accessToken: "old",
  refreshToken: "once",
  expiresAt: Date.now() + 600_000,
  user: { id: "u", name: "Ada", email: "ada@example.org" },
  workspace: "team",
};

const granted = {
  access_token: "new",
  refresh_token: "next",
  expires_in: 600,
  user: SESSION.user,
  workspace: { id: "personal" },
};

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });

/** Answers requests in turn, and tells what was asked. */
function server(...answers: ((request: Request) => Response)[]) {
  const asked: Request[] = [];
  vi.stubGlobal("fetch", async (input: Request | string, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(new URL(input, "http://weir.test"), init);
    asked.push(request);
    const answer = answers.shift();
    if (!answer) throw new Error(`nobody answers ${request.url}`);
    return answer(request);
  });
  return asked;
}

beforeEach(() => {
  vi.unstubAllGlobals();
  keepSession({ ...SESSION });
});

test("tokens are renewed once for all who wait, and the workspace stays", async () => {
  const asked = server(() => json(200, granted));
  expect(await Promise.all([renew("old"), renew("old"), renew("old")])).toEqual([true, true, true]);
  expect(asked).toHaveLength(1);
  expect(session()).toMatchObject({ accessToken: "new", refreshToken: "next", workspace: "team" });
  // Whoever comes late with the old token finds the new one.
  expect(await renew("old")).toBe(true);
  expect(asked).toHaveLength(1);
});

test("a session that has ended is forgotten; one that cannot be asked about is not", async () => {
  server(() => json(503, { code: "database_unavailable" }));
  await expect(renew("old")).rejects.toThrow("503");
  expect(session()).not.toBeNull();
  server(() => json(401, { code: "session_ended" }));
  expect(await renew("old")).toBe(false);
  expect(session()).toBeNull();
});

test("a refused token is renewed and the request sent once more, with what was in it", async () => {
  const asked = server(
    () => json(401, { code: "token_expired" }),
    () => json(200, granted),
    (request) => json(201, { token: request.headers.get("Authorization") }, { "Weir-Position": "7" }),
  );
  const response = await authorizedFetch(
    new Request("http://weir.test/api/v1/contexts", { method: "POST", body: "text" }),
  );
  expect(await response.json()).toEqual({ token: "Bearer new" });
  expect(await asked[2]?.text()).toBe("text");
  expect(asked[2]?.headers.get("Weir-Workspace")).toBe("team");
});

test("a read asks for what this page did or saw, one of the past does not", async () => {
  sawPosition("team", 41);
  sawPosition("team", 40);
  const answer = () => json(200, {});
  const asked = server(answer, answer);
  await authorizedFetch(new Request("http://weir.test/api/v1/dashboard"));
  await authorizedFetch(new Request("http://weir.test/api/v1/dashboard?as_of=5"));
  expect(asked.map((request) => request.headers.get("Weir-Min-Position"))).toEqual(["41", null]);
});
