import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Browser, chromium, type Page } from "playwright-core";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The browser to drive: one that is named, or one that is found. */
export function browserPath(): string | undefined {
  const places = [
    process.env.WEIR_BROWSER,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ];
  return places.find((place) => place && existsSync(place));
}

/** Milliseconds that a start may take, both servers included. */
const START = 120_000;

/** A Weir of its own, with its servers and data in a folder that goes away with it. */
export class Weir {
  private readonly folder = mkdtempSync(join(tmpdir(), "weir-web-"));
  private child: ChildProcess | undefined;
  url = "";

  async start(): Promise<void> {
    const binary = process.env.WEIR_BINARY ?? join(ROOT, "target/debug/weir");
    // The port stays when it is started again: a page finds it where it was.
    const listen = this.url ? new URL(this.url).host : "127.0.0.1:0";
    const child = spawn(binary, ["up", "--listen", listen, "--data-dir", join(this.folder, "data")], {
      cwd: ROOT,
      env: { ...process.env, WEIR_BIN_DIR: process.env.WEIR_BIN_DIR ?? join(ROOT, ".weir/bin") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    let errors = "";
    child.stderr?.on("data", (text) => {
      errors = (errors + text).slice(-4_000);
    });
    this.url = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`weir did not get ready:\n${errors}`)), START);
      child.once("exit", () => reject(new Error(`weir ended:\n${errors}`)));
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
        const ready = line.match(/^Weir is ready on (\S+)/);
        if (!ready?.[1]) return;
        clearTimeout(late);
        resolve(ready[1]);
      });
    });
  }

  /** Ends the process, at once or when it has put everything away. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A browser that asks nobody but the pages' own host for anything. */
export async function browser(): Promise<Browser> {
  const executablePath = browserPath();
  if (!executablePath) throw new Error("no browser");
  return await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
}

/** A page with an account of its own, logged in; what it complains of is gathered. */
export async function visitor(
  in_: Browser,
  weir: Weir,
  who: string,
  options: { colorScheme?: "light" | "dark"; width?: number } = {},
): Promise<Page & { complaints: string[] }> {
  const context = await in_.newContext({
    viewport: { width: options.width ?? 1440, height: 900 },
    colorScheme: options.colorScheme ?? "light",
    reducedMotion: "reduce",
    acceptDownloads: true,
  });
  const page = (await context.newPage()) as Page & { complaints: string[] };
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => {
    // A refusal that a test asks for is in the console too.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      page.complaints.push(message.text());
  });
  page.on("request", (request) => {
    const { host, protocol } = new URL(request.url());
    if (/^https?:$/.test(protocol) && host !== new URL(weir.url).host) page.complaints.push(`asked ${host}`);
  });
  page.setDefaultTimeout(20_000);
  await logIn(page, weir, who);
  return page;
}

/** Makes an account, and is logged in with it. */
export async function logIn(page: Page, weir: Weir, who: string) {
  await page.goto(`${weir.url}/register`);
  await page.getByLabel("Name").fill(who);
  await page.getByLabel("E-mail").fill(`${who.toLowerCase()}@example.org`);
  await page.getByLabel("Password").fill("correct horse battery");
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
}

/** Goes on with Tab until what has that label, or says that, has the focus. */
export async function tabTo(page: Page, name: string) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate((name) => {
      const at = document.activeElement as HTMLElement | null;
      const labels = (at as HTMLInputElement | null)?.labels;
      const names = [at?.getAttribute("aria-label"), at?.textContent, ...[...(labels ?? [])].map((l) => l.textContent)];
      return names.some((each) => each?.trim() === name);
    }, name);
    if (found) return;
  }
  throw new Error(`no press of Tab leads to ${name}`);
}

/** Asks the API as the page's person does. */
export async function ask(page: Page, path: string, init: RequestInit = {}): Promise<Buffer> {
  const session = await page.evaluate(() => JSON.parse(localStorage.getItem("weir.session") ?? "{}"));
  const headers = {
    Authorization: `Bearer ${session.accessToken}`,
    "Content-Type": "application/json",
    ...init.headers,
  };
  const response = await fetch(new URL(path, page.url()), { ...init, headers });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

/** Loads the sample data by the button for it, and waits until all of it can be queried. */
export async function samples(page: Page) {
  await page.getByRole("button", { name: "Try with sample data" }).click();
  const ready = page.getByRole("list", { name: "Uploads" }).locator("li[data-stage=ready]");
  await page.waitForFunction(() => document.querySelectorAll(".uploads li[data-stage=ready]").length >= 5, undefined, {
    timeout: 60_000,
  });
  return await ready.count();
}

/** Writes into the editor in place of what is there. */
export async function write(page: Page, label: string, text: string) {
  const editor = page.getByRole("textbox", { name: label });
  await editor.click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}
