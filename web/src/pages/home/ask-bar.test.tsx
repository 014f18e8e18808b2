import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { MemoryRouter, useLocation } from "react-router";
import { expect, test, vi } from "vitest";
import { AskBar } from "./ask-bar";

function Where() {
  const { pathname, search } = useLocation();
  return <output>{pathname + search}</output>;
}

const show = (address: string) =>
  render(
    <MemoryRouter initialEntries={[address]}>
      <AskBar />
      <Where />
    </MemoryRouter>,
  );

const where = () => screen.getByRole("status").textContent;

test("a letter does what its button does, unless it is written somewhere or something lies over the page", async () => {
  const chosen = vi.spyOn(HTMLInputElement.prototype, "click").mockImplementation(() => undefined);
  show("/");
  await userEvent.keyboard("u");
  expect(chosen).toHaveBeenCalledTimes(1);
  await userEvent.type(screen.getByRole("textbox"), "q");
  (document.activeElement as HTMLElement).blur();
  const over = document.createElement("div");
  over.className = "popover";
  document.body.append(over);
  await userEvent.keyboard("q");
  expect(where()).toBe("/");
  over.remove();
  await userEvent.keyboard("q");
  expect(where()).toBe("/query");
});

test("in the past nothing is made, and what is looked at is of the past", async () => {
  const chosen = vi.spyOn(HTMLInputElement.prototype, "click").mockImplementation(() => undefined);
  show("/?as_of=2026-03-10");
  expect(screen.getByRole("button", { name: /New query/ })).toBeDisabled();
  await userEvent.keyboard("uqv");
  expect(chosen).not.toHaveBeenCalled();
  expect(where()).toBe("/?as_of=2026-03-10");
  await userEvent.keyboard("c");
  expect(where()).toBe("/contexts?as_of=2026-03-10");
});
