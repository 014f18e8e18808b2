import { expect, test, vi } from "vitest";
import { lead } from "./focus";

/** A page beside a link that has led to it. */
function page(content: string) {
  document.body.innerHTML = `<a href="/x">x</a><main id="main" tabindex="-1">${content}</main>`;
  document.querySelector("a")?.focus();
  return document.getElementById("main") as HTMLElement;
}

const at = () => document.activeElement?.textContent;

test("the focus comes to the heading, however late it comes and however often it changes", async () => {
  const main = page("");
  const end = lead(undefined, false);
  expect(document.activeElement).toBe(main);
  main.innerHTML = "<h1>Dataset</h1>";
  await vi.waitFor(() => expect(at()).toBe("Dataset"));
  main.innerHTML = "<h1>flights</h1><button>Delete</button>";
  await vi.waitFor(() => expect(at()).toBe("flights"));
  // Who has gone on is not called back.
  main.querySelector("button")?.focus();
  main.querySelector("h1")?.replaceWith(document.createElement("h1"));
  await new Promise((resolve) => setTimeout(resolve));
  expect(at()).toBe("Delete");
  end();
});

test("what is wanted has the focus once it is there, and what the page gave it to keeps it", async () => {
  const main = page("<h1>Query</h1>");
  const end = lead("textarea", false);
  expect(at()).toBe("Query");
  main.append(document.createElement("textarea"));
  await vi.waitFor(() => expect(document.activeElement?.tagName).toBe("TEXTAREA"));
  end();

  const input = document.createElement("input");
  page("<h1>Log in</h1>").append(input);
  input.focus();
  lead(undefined, false)();
  expect(document.activeElement).toBe(input);
});
