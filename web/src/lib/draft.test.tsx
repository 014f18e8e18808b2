import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createMemoryRouter, RouterProvider, useSearchParams } from "react-router";
import { expect, test } from "vitest";
import { useDraft } from "./draft";

function Written({ from }: { from: string }) {
  const [text, setText] = useDraft("query", from, from ? "same" : "last");
  return <textarea value={text} onChange={(event) => setText(event.target.value)} />;
}

function Page() {
  const from = useSearchParams()[0].get("sql") ?? "";
  return <Written key={from} from={from} />;
}

const box = () => screen.getByRole<HTMLTextAreaElement>("textbox");

test("what was written is there again, and what is asked for by its address is shown as it is", async () => {
  sessionStorage.clear();
  const router = createMemoryRouter(
    [
      { path: "/query", element: <Page /> },
      { path: "/charts", element: <p>Charts</p> },
    ],
    { initialEntries: ["/query"] },
  );
  render(<RouterProvider router={router} />);
  const go = async (to: string | number) => {
    await (typeof to === "number" ? router.navigate(to) : router.navigate(to));
  };
  await userEvent.type(box(), "SELECT 1");
  await go("/charts");
  await screen.findByText("Charts");
  await go("/query");
  expect((await screen.findByRole<HTMLTextAreaElement>("textbox")).value).toBe("SELECT 1");

  await go("/query?sql=SELECT+2");
  await expect.poll(() => box().value).toBe("SELECT 2");
  await userEvent.type(box(), "0");
  await go("/charts");
  await screen.findByText("Charts");
  await go(-1);
  expect((await screen.findByRole<HTMLTextAreaElement>("textbox")).value).toBe("SELECT 20");
  await go("/query?sql=SELECT+3");
  await expect.poll(() => box().value).toBe("SELECT 3");
  await go("/query?sql=SELECT+2");
  await expect.poll(() => box().value).toBe("SELECT 2");
  await go("/query");
  await expect.poll(() => box().value).toBe("SELECT 20");

  // What was taken away is not brought back.
  await userEvent.clear(box());
  await go("/charts");
  await screen.findByText("Charts");
  await go("/query");
  expect((await screen.findByRole<HTMLTextAreaElement>("textbox")).value).toBe("");
});
