// Measures home with the sample data as Lighthouse does for a desktop, and fails where it is below what is wanted.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { test } from "vitest";
import { browserPath, logIn, samples, Weir } from "../e2e/world";

const LIGHTHOUSE = "lighthouse@12.8.2";
const WANTED: Record<string, number> = { performance: 0.95, accessibility: 1, "best-practices": 0.95 };
/** Milliseconds until the largest part of the page is there. */
const LARGEST = 1_000;
/** How far what is seen may jump while the page comes. */
const SHIFT = 0.05;

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 9222;
}

test("home is as fast and as accessible as it is said to be", { timeout: 300_000 }, async () => {
  const weir = new Weir();
  const folder = mkdtempSync(join(tmpdir(), "weir-lighthouse-"));
  const executablePath = browserPath();
  if (!executablePath) throw new Error("no browser is found; WEIR_BROWSER names one");
  await weir.start();
  const port = await freePort();
  const context = await chromium.launchPersistentContext(join(folder, "profile"), {
    executablePath,
    args: [`--remote-debugging-port=${port}`, "--no-sandbox", "--disable-gpu"],
  });
  try {
    const page = await context.newPage();
    await logIn(page, weir, "Ada");
    await samples(page);
    await page.close();
    const report = join(folder, "report.json");
    // Beside it and not in its stead: new pages of the browser wait until this process has seen them.
    const ran = spawn(
      "npx",
      [
        "--yes",
        LIGHTHOUSE,
        weir.url,
        `--port=${port}`,
        "--preset=desktop",
        "--disable-storage-reset",
        "--only-categories=performance,accessibility,best-practices",
        "--output=json",
        `--output-path=${report}`,
        "--quiet",
      ],
      { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, CHROME_PATH: executablePath } },
    );
    const [code] = await once(ran, "exit");
    if (code !== 0) throw new Error("lighthouse did not run");
    const { categories, audits } = JSON.parse(readFileSync(report, "utf8"));
    const wrong: string[] = [];
    for (const [name, wanted] of Object.entries(WANTED)) {
      const score = categories[name].score as number;
      console.log(`${name.padEnd(16)} ${Math.round(score * 100)} (at least ${wanted * 100})`);
      if (score < wanted) wrong.push(name);
      for (const { id } of categories[name].auditRefs) {
        const audit = audits[id];
        if (audit.score !== null && audit.score < 0.9 && audit.scoreDisplayMode !== "informative")
          console.log(`  ${id}: ${audit.displayValue ?? audit.title}`);
      }
    }
    const largest = audits["largest-contentful-paint"].numericValue as number;
    console.log(`largest paint    ${Math.round(largest)} ms (less than ${LARGEST})`);
    if (largest >= LARGEST) wrong.push("largest contentful paint");
    const shift = audits["cumulative-layout-shift"].numericValue as number;
    console.log(`layout shift     ${shift.toFixed(3)} (less than ${SHIFT})`);
    if (shift >= SHIFT) wrong.push("layout shift");
    if (wrong.length) throw new Error(`below what is wanted: ${wrong.join(", ")}`);
  } finally {
    await context.close();
    await weir.end();
    rmSync(folder, { recursive: true, force: true });
  }
});
