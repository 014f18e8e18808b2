import { beforeEach, expect, test, vi } from "vitest";
import { LiveStream, type StreamEvent } from "./live";
import { keepSession } from "./session";

const PlainRequest = Request;

beforeEach(() => {
  vi.unstubAllGlobals();
  // Node takes no address without a host, which a page always has.
  vi.stubGlobal(
    "Request",
    class extends PlainRequest {
      constructor(input: RequestInfo | URL, init?: RequestInit) {
        super(typeof input === "string" ? new URL(input, "http://weir.test") : input, init);
      }
    },
  );
  keepSession({
    accessToken: "t",
    refreshToken: "r",
    expiresAt: Date.now() + 600_000,
    user: { id: "u", name: "Ada", email: "ada@example.org" },
    workspace: "team",
  });
});

const frame = (position: number) =>
  `id: ${position}\nevent: weir.query.executed.v1\ndata: ${JSON.stringify({ position, subject: "query/1" })}\n\n`;

/** A connection that says some pieces, however they are cut, and then breaks off. */
const connection = (...pieces: string[]) =>
  new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
        controller.close();
      },
    }),
    { status: 200, headers: { "Content-Type": "text/event-stream" } },
  );

test("it goes on behind the last event after a break, and misses and repeats none", async () => {
  const asked: (string | null)[] = [];
  const whole = frame(5);
  const answers = [
    connection(frame(3), ": still there\n\n", frame(4), whole.slice(0, 20)),
    connection(whole, frame(6)),
  ];
  const states: string[] = [];
  const seen: number[] = [];
  const stream = new LiveStream();
  const done = new Promise<void>((resolve) => {
    vi.stubGlobal("fetch", async (request: Request) => {
      asked.push(request.headers.get("Last-Event-ID"));
      const answer = answers.shift();
      if (answer) return answer;
      resolve();
      return await new Promise(() => undefined);
    });
  });
  stream.onEvent((event: StreamEvent) => seen.push(event.position));
  stream.onState(() => states.push(stream.state));
  stream.start("team");
  await done;
  stream.stop();
  expect(seen).toEqual([3, 4, 5, 6]);
  expect(asked).toEqual([null, "4", "6"]);
  expect(states.slice(0, 3)).toEqual(["live", "reconnecting", "live"]);
});
