import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, test, vi } from "vitest";
import { readAgain } from "./queries";

test("what could not be had is read again, also of the past, and what is there is left alone", async () => {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 60_000 } } });
  let there = false;
  const asked: string[] = [];
  const follow = (name: string, fails: boolean) => {
    const queryFn = async () => {
      asked.push(name);
      if (fails && !there) throw new TypeError("nobody answers");
      return name;
    };
    const observer = new QueryObserver(client, { queryKey: [name, "as of 2026-03-10"], queryFn });
    observer.subscribe(() => undefined);
    return observer;
  };
  const [bad, worse, good] = [follow("contexts", true), follow("runs", true), follow("dashboard", false)];
  await vi.waitFor(() => expect(worse.getCurrentResult().status).toBe("error"));
  there = true;
  asked.length = 0;
  readAgain(client);
  await vi.waitFor(() => expect(bad.getCurrentResult().data).toBe("contexts"));
  expect(worse.getCurrentResult().data).toBe("runs");
  expect(good.getCurrentResult().data).toBe("dashboard");
  expect(asked.sort()).toEqual(["contexts", "runs"]);
  client.clear();
});
