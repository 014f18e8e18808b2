import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { workbook } from "./workbook";
import { ask, browser, browserPath, samples, tabTo, visitor, Weir, write } from "./world";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Where pictures of all pages go, if they are wanted. */
const PICTURES = process.env.WEIR_SCREENSHOTS;

const weir = new Weir();
let chromium: Browser;

const there = browserPath() !== undefined;
if (!there) console.log("no browser is found: the tests of the pages are skipped (WEIR_BROWSER names one)");
const tried = test.skipIf(!there);

beforeAll(async () => {
  if (!there) return;
  await weir.start();
  chromium = await browser();
}, 180_000);

afterAll(async () => {
  await chromium?.close();
  await weir.end();
}, 60_000);

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    // @ts-expect-error axe has just been put there.
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(
      (each: { id: string; nodes: { html: string }[] }) => `${each.id}: ${each.nodes[0]?.html.slice(0, 200)}`,
    );
  });
  return found;
}

/** Keeps a picture of what is seen, if pictures are wanted. */
async function picture(page: Page, name: string) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** Waits until nothing is drawn in grey any more. */
async function settle(page: Page) {
  await page.waitForFunction(() => !document.querySelector(".skeleton, .placeholder"), undefined, { timeout: 20_000 });
}

tried(
  "the first minute: registered, sample data, an answer over joined files, a chart; and no page says no to axe",
  async () => {
    const page = await visitor(chromium, weir, "Ada");
    const begun = Date.now();
    expect(await samples(page)).toBeGreaterThanOrEqual(5);

    await page.keyboard.press("q");
    await page.getByRole("heading", { name: "Query", exact: true }).waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("SQL");
    expect(await page.title()).toBe("Query · Weir");
    await write(
      page,
      "SQL",
      "SELECT a.name, avg(f.arr_delay) AS delay FROM flights f JOIN airlines a ON a.carrier = f.carrier GROUP BY 1 ORDER BY 2 DESC",
    );
    await page.keyboard.press("ControlOrMeta+Enter");
    await page.getByRole("grid").waitFor();
    expect(Number(await page.getByRole("grid").getAttribute("aria-rowcount"))).toBeGreaterThan(10);
    await page.getByRole("tab", { name: "How it came about" }).click();
    await page.getByRole("list", { name: "Time by stage" }).getByText("planning").waitFor();
    await page.getByRole("tab", { name: "Plan" }).click();
    await page.getByText(/TableScan: flights/).waitFor();

    await page.getByRole("link", { name: "Chart this" }).click();
    await page.locator(".chart svg").waitFor();
    await page.getByRole("textbox", { name: "Name" }).fill("Delay by airline");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("heading", { name: "Delay by airline" }).waitFor();
    await page.waitForURL(/\/charts\/[0-9a-f-]{36}/);
    expect(Date.now() - begun).toBeLessThan(60_000);

    // The context of the sample, saved from its file.
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Contexts" }).click();
    await page.getByRole("link", { name: "New context" }).click();
    const context = await (await fetch(`${weir.url}/samples/flights.context.md`)).text();
    await write(page, "The context", context.replace("name: dep_delay", "name: dep_dely"));
    await page.getByText("COLUMN_NOT_FOUND").waitFor();
    await expect
      .poll(async () => await page.getByRole("button", { name: "Save", exact: true }).isDisabled())
      .toBe(true);
    await write(page, "The context", context);
    await page.getByText("Nothing is wrong with it.").waitFor();
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("heading", { name: "New York flights" }).waitFor();
    await page.getByRole("tab", { name: "Try it" }).click();
    await page.getByRole("combobox", { name: "by" }).fill("airlines.name");
    await page.getByRole("button", { name: "Try it" }).click();
    await page.getByText("LEFT JOIN airlines").waitFor();

    // The same from the page of queries: planned before it is run.
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Query" }).click();
    await page.getByText("Metrics", { exact: true }).click();
    await page.getByText("flight_count", { exact: true }).click();
    await page.getByRole("combobox", { name: "by" }).fill("airlines.name");
    await page.getByRole("combobox", { name: "where" }).fill("at_least_late");
    await page.getByRole("textbox", { name: "minutes" }).fill("60");
    await page.getByRole("button", { name: "Plan" }).click();
    await page.getByRole("region", { name: "Plan" }).getByText("LEFT JOIN airlines").waitFor();
    await page.getByRole("button", { name: /^Run/ }).click();
    await page.getByRole("grid").waitFor();
    expect(await violations(page)).toEqual([]);
    await picture(page, "query-metrics-light");

    const id = async (kind: string) => {
      await page.goto(`${weir.url}/${kind}`);
      const link = page.locator(`main a[href^="/${kind}/"]:not([href$=new])`).first();
      return await link.getAttribute("href");
    };
    const dataset = await id("datasets");
    const [chart, kept] = [await id("charts"), await id("contexts")];
    const all: [string, string][] = [
      ["home", "/"],
      ["datasets", "/datasets"],
      ...["preview", "profile", "columns", "versions", "history", "use"].map((tab): [string, string] => [
        `dataset-${tab}`,
        `${dataset}?tab=${tab}`,
      ]),
      ["query", "/query?run&sql=SELECT%20*%20FROM%20flights%20LIMIT%20500"],
      ["charts", "/charts"],
      ["chart-new", "/charts/new"],
      ["chart", `${chart}`],
      ["contexts", "/contexts"],
      ["context", `${kept}`],
      ["activity", "/activity"],
      ["operations", "/operations"],
      ["guide", "/docs/guide/"],
      ["guide-queries", "/docs/guide/queries"],
      ...["profile", "workspaces", "members", "api-keys", "webhooks", "model"].map((part): [string, string] => [
        `settings-${part}`,
        `/settings/${part}`,
      ]),
    ];
    const wrong: string[] = [];
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [name, path] of all) {
        await page.goto(weir.url + path);
        await page.getByRole("main").waitFor();
        await settle(page);
        for (const violation of await violations(page)) wrong.push(`${name}, ${scheme}: ${violation}`);
        await picture(page, `${name}-${scheme}`);
      }
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 390, height: 844 });
    for (const [name, path] of all) {
      await page.goto(weir.url + path);
      await settle(page);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (over > 0) wrong.push(`${name} is ${over} pixels wider than a telephone`);
      await picture(page, `${name}-narrow`);
    }
    expect(wrong).toEqual([]);
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  300_000,
);

tried(
  "a file of each form, and a bad one",
  async () => {
    const page = await visitor(chromium, weir, "Berta");
    await page.goto(`${weir.url}/datasets`);
    const files = [
      { name: "a.csv", mimeType: "text/csv", buffer: Buffer.from("n,t\n1,x\n2,y\n") },
      { name: "b.tsv", mimeType: "text/plain", buffer: Buffer.from("n\tt\n1\tx\n") },
      { name: "c.json", mimeType: "application/json", buffer: Buffer.from('[{"n":1},{"n":2}]') },
      { name: "d.ndjson", mimeType: "application/json", buffer: Buffer.from('{"n":1}\n{"n":2}\n') },
      { name: "bad.csv", mimeType: "text/csv", buffer: Buffer.from("n,t\n1,x\n2,y,z\n") },
    ];
    await page.setInputFiles("input[type=file]", files);
    const list = page.getByRole("list", { name: "Uploads" });
    await page.waitForFunction(() => document.querySelectorAll(".uploads li[data-stage=ready]").length === 4);
    const failed = list.locator("li[data-stage=failed]");
    await failed.waitFor();
    expect(await failed.innerText()).toMatch(/Row 2|row 2|line 3/i);
    await failed.getByRole("button", { name: "Read it leniently" }).click();
    const ready = (many: number) =>
      page.waitForFunction((many) => document.querySelectorAll(".uploads li[data-stage=ready]").length === many, many);
    await ready(5);

    // Those that are no text: an old workbook, and what Weir itself gives.
    const sql = "SELECT n, t FROM a ORDER BY n";
    const run = JSON.parse(
      String(await ask(page, "/api/v1/queries", { method: "POST", body: JSON.stringify({ sql }) })),
    );
    const result = (accept: string) => ask(page, `/api/v1/runs/${run.run_id}/result`, { headers: { Accept: accept } });
    const old = readFileSync(new URL("../../engine/tests/data/people.xls", import.meta.url));
    await page.setInputFiles("input[type=file]", [
      { name: "people.xls", mimeType: "application/vnd.ms-excel", buffer: old },
      { name: "p.parquet", mimeType: "", buffer: await result("application/vnd.apache.parquet") },
      { name: "q.arrow", mimeType: "", buffer: await result("application/vnd.apache.arrow.stream") },
      { name: "r.csv.gz", mimeType: "application/gzip", buffer: gzipSync("n\n1\n2\n3\n") },
      {
        name: "sales.xlsx",
        mimeType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        buffer: workbook({
          March: [
            ["day", "sold"],
            [1, 10],
            [2, 20],
          ],
          April: [
            ["day", "sold", "shop"],
            [1, 30, "north"],
            [2, 40, "south"],
            [3, 50, "west"],
          ],
        }),
      },
    ]);
    await ready(10);
    // Of a workbook one sheet is read, and another one where that is wanted.
    await list.getByRole("link", { name: "sales", exact: true }).click();
    await page.getByRole("tab", { name: "Columns" }).click();
    await page.getByRole("combobox", { name: "Sheet" }).selectOption("April");
    await page.getByRole("button", { name: "Read it so" }).click();
    await page.getByText("3 rows").first().waitFor();
    await page.getByRole("tab", { name: "Preview" }).click();
    await page.getByRole("cell", { name: "south" }).waitFor();
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  120_000,
);

tried(
  "a large file shows how far it is, and all of it arrives",
  async () => {
    const page = await visitor(chromium, weir, "Lotte");
    await page.goto(`${weir.url}/datasets`);
    const rows = 600_000;
    const folder = mkdtempSync(join(tmpdir(), "weir-large-"));
    const line = (n: number) => `${n},${n * 7},a text of some length that is number ${n}\n`;
    writeFileSync(join(folder, "large.csv"), `n,m,t\n${Array.from({ length: rows }, (_, n) => line(n)).join("")}`);
    await page.setInputFiles("input[type=file]", join(folder, "large.csv"));
    await page.getByRole("progressbar", { name: "Progress of large.csv" }).waitFor();
    await page.locator(".uploads li[data-stage=ready]").waitFor({ timeout: 90_000 });
    await page.getByText("600,000 rows").first().waitFor();
    rmSync(folder, { recursive: true });

    await page.goto(`${weir.url}/query?run&sql=${encodeURIComponent("SELECT n, t FROM large ORDER BY n")}`);
    await page.getByRole("button", { name: "Show up to 100,000 rows" }).click();
    const grid = page.locator(".grid[aria-rowcount='100001']");
    await grid.waitFor({ timeout: 30_000 });
    await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.getByRole("gridcell", { name: "99999", exact: true }).waitFor();
    expect(await page.locator(".grid-row").count()).toBeLessThan(80);
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  180_000,
);

tried(
  "the first minute by keyboard alone",
  async () => {
    const page = await visitor(chromium, weir, "Kay");
    await tabTo(page, "Try with sample data");
    await page.keyboard.press("Enter");
    await page.waitForFunction(
      () => document.querySelectorAll(".uploads li[data-stage=ready]").length >= 5,
      undefined,
      { timeout: 60_000 },
    );
    await page.keyboard.press("/");
    await page.keyboard.type("SELECT origin, count(*) AS flights FROM flights GROUP BY origin");
    await page.keyboard.press("Enter");
    await page.getByRole("grid").waitFor();
    await tabTo(page, "Chart this");
    await page.keyboard.press("Enter");
    await page.locator(".chart svg").waitFor();
    await tabTo(page, "Name");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("Flights by airport");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/charts\/[0-9a-f-]{36}/);
    await page.getByRole("heading", { name: "Flights by airport" }).waitFor();
    // Tabs are gone through with arrows, and the editor keeps nobody.
    await tabTo(page, "Chart");
    await page.keyboard.press("ArrowRight");
    await page.getByRole("table", { name: "Rows of Flights by airport" }).waitFor();
    await page.keyboard.press("ArrowRight");
    await tabTo(page, "Vega-Lite specification");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.closest(".editor"))).toBeNull();
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  120_000,
);

tried(
  "two browsers see each other's work at once, the past stays as it was, and what was done can be undone",
  async () => {
    const page = await visitor(chromium, weir, "Carla");
    await page.goto(`${weir.url}/datasets`);
    const upload = { name: "first.csv", mimeType: "text/csv", buffer: Buffer.from("n\n1\n") };
    await page.setInputFiles("input[type=file]", [upload]);
    await page.locator(".uploads li[data-stage=ready]").waitFor();
    const before = new Date().toISOString();

    const other = await page.context().newPage();
    await other.goto(weir.url);
    await other.getByText("live", { exact: false }).first().waitFor();
    const datasets = other.locator(".figures > div").first().locator("b");
    await expect.poll(() => datasets.innerText()).toBe("1");
    await page.setInputFiles("input[type=file]", [{ ...upload, name: "second.csv" }]);
    // Nobody reloads anything.
    await expect.poll(() => datasets.innerText(), { timeout: 10_000 }).toBe("2");

    await other.goto(`${weir.url}/?as_of=${encodeURIComponent(before)}`);
    await expect.poll(() => datasets.innerText()).toBe("1");
    expect(await other.getByRole("button", { name: "New query" }).isDisabled()).toBe(true);
    // What is gone to from there is of then, too; what has no past leaves it.
    await other.keyboard.press("c");
    await other.getByRole("heading", { name: "Contexts", exact: true }).waitFor();
    await other.getByText("This is the workspace as it was").waitFor();
    await other.goto(`${weir.url}/settings/members?as_of=${encodeURIComponent(before)}`);
    await other.getByRole("button", { name: "Add", exact: true }).waitFor();
    await expect.poll(() => other.url()).not.toContain("as_of");
    expect(await other.getByText("This is the workspace as it was").count()).toBe(0);

    // By hand: to when the workspace was made, and back.
    await other.goto(weir.url);
    await expect.poll(() => datasets.innerText()).toBe("2");
    await other.getByRole("button", { name: "Show a past moment" }).click();
    await other.getByRole("slider").press("Home");
    await expect.poll(() => datasets.innerText()).toBe("0");
    // What is open closes first: it may lie over the banner.
    await other.keyboard.press("Escape");
    await other.getByRole("button", { name: "Back to now" }).click();
    await expect.poll(() => datasets.innerText()).toBe("2");

    await page.goto(`${weir.url}/datasets`);
    await page.getByRole("link", { name: "first", exact: true }).click();
    await page.getByRole("button", { name: "Rename or describe" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("renamed");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: /renamed/ }).waitFor();
    await page.getByRole("tab", { name: "History" }).click();
    await page.getByRole("button", { name: /^Undo/ }).first().click();
    await page.getByRole("heading", { name: /first/ }).waitFor();
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  120_000,
);

tried(
  "a recommendation is dismissed for everybody, taken back, and shown in the past as it was",
  async () => {
    const page = await visitor(chromium, weir, "Fritz");
    await page.goto(`${weir.url}/datasets`);
    await page.setInputFiles("input[type=file]", [
      { name: "first.csv", mimeType: "text/csv", buffer: Buffer.from("n\n1\n") },
    ]);
    await page.locator(".uploads li[data-stage=ready]").waitFor();
    const other = await page.context().newPage();
    await other.goto(weir.url);
    const recommended = (at: Page) => at.getByRole("list", { name: "Recommended" }).getByText("Ask something of first");
    await recommended(other).waitFor();

    await page.goto(weir.url);
    await page.getByText("No query has read first since it was uploaded.").click();
    await page.getByText("created").first().waitFor();
    const before = new Date().toISOString();
    await page.getByRole("button", { name: "Dismiss: Ask something of first" }).click();
    await page.getByText("Dismissed: Ask something of first").waitFor();
    await recommended(page).waitFor({ state: "detached" });
    // Nobody reloads anything.
    await recommended(other).waitFor({ state: "detached" });
    await other.getByText("dismissed the advice to ask something of a dataset").first().waitFor();
    expect(await violations(page)).toEqual([]);

    await other.goto(`${weir.url}/?as_of=${encodeURIComponent(before)}`);
    await recommended(other).waitFor();
    expect(await other.getByRole("button", { name: /^Dismiss/ }).isDisabled()).toBe(true);
    await other.goto(weir.url);
    await other.getByText("1 dismissed").click();
    await other.getByRole("button", { name: "Recommend again: Ask something of first" }).waitFor();

    await page.getByRole("button", { name: "Undo" }).click();
    await recommended(page).waitFor();
    await recommended(other).waitFor();
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  120_000,
);

tried(
  "pages say that there is nothing, what went wrong, and that Weir cannot be reached",
  async () => {
    const page = await visitor(chromium, weir, "Emil");
    const wrong: string[] = [];
    const nowhere = "/00000000-0000-4000-8000-000000000000";
    const states: [string, string, RegExp][] = [
      ["empty-home", "/", /No chart was saved yet/],
      ["empty-datasets", "/datasets", /There are no files yet/],
      ["empty-query", "/query", /None has a name yet/],
      ["empty-charts", "/charts", /No chart/],
      ["empty-contexts", "/contexts", /context/],
      ["empty-activity", "/activity", /created the workspace|joined/],
      ["error-dataset", `/datasets${nowhere}`, /There is no dataset/],
      ["error-chart", `/charts${nowhere}`, /There is no visualization/],
      ["error-query", "/query?run&sql=SELECT%20a%20FROM%20nothing", /There is no table/],
      ["error-address", "/datasets/nosuch", /There is nothing at this address/],
      ["error-page", "/nowhere", /The address may be mistyped/],
      ["error-moment", "/?as_of=garbage", /neither a date nor a time/],
      ["error-ahead", "/charts?as_of=2999-01-01", /This moment has not come yet/],
    ];
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [name, path, text] of states) {
        await page.goto(weir.url + path);
        await page.getByRole("main").getByText(text).first().waitFor();
        await settle(page);
        for (const violation of await violations(page)) wrong.push(`${name}, ${scheme}: ${violation}`);
        await picture(page, `${name}-${scheme}`);
      }
      // What was not asked for before cannot be had without a network; what is there stays.
      await page.goto(`${weir.url}/charts`);
      await page.getByRole("heading", { name: "Charts", exact: true }).waitFor();
      await page.context().setOffline(true);
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Activity" }).click();
      await page.getByText("Weir cannot be reached.").waitFor({ timeout: 30_000 });
      for (const violation of await violations(page)) wrong.push(`offline, ${scheme}: ${violation}`);
      await picture(page, `offline-activity-${scheme}`);
      await page.getByRole("button", { name: "Try again" }).waitFor();
      // It goes on by itself.
      await page.context().setOffline(false);
      await page
        .getByText(/joined|created the workspace/)
        .first()
        .waitFor();
    }
    expect(wrong).toEqual([]);
    expect(page.complaints).toEqual([]);
    await page.context().close();
  },
  180_000,
);

tried(
  "a page outlives the server's restart and a cut network, and a session that has ended asks for the password",
  async () => {
    const page = await visitor(chromium, weir, "Dora");
    await page
      .getByText(/^live$/i)
      .first()
      .waitFor();
    await page.context().setOffline(true);
    await page
      .getByText(/offline|reconnecting/i)
      .first()
      .waitFor({ timeout: 40_000 });
    await page.context().setOffline(false);
    await page
      .getByText(/^live$/i)
      .first()
      .waitFor({ timeout: 40_000 });
    await weir.stop();
    await page
      .getByText(/offline|reconnecting/i)
      .first()
      .waitFor({ timeout: 40_000 });
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Activity" }).click();
    await page.getByText("Weir cannot be reached.").first().waitFor({ timeout: 40_000 });
    await weir.start();
    await page
      .getByText(/^live$/i)
      .first()
      .waitFor({ timeout: 40_000 });
    // What could not be had comes by itself.
    await page
      .getByText(/joined|created the workspace/)
      .first()
      .waitFor();
    await page.goto(`${weir.url}/datasets`);
    await page.getByText("There are no files yet.").waitFor();
    // The tokens are worth nothing any more.
    await page.evaluate(() => {
      const session = JSON.parse(localStorage.getItem("weir.session") ?? "{}");
      localStorage.setItem(
        "weir.session",
        JSON.stringify({ ...session, accessToken: "ended", refreshToken: "ended", expiresAt: 0 }),
      );
    });
    await page.goto(`${weir.url}/charts`);
    await page.getByLabel("Password").fill("correct horse battery");
    await page.getByLabel("E-mail").fill("dora@example.org");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Charts", exact: true }).waitFor();
    await page.context().close();
  },
  180_000,
);
