// Packs what was built, and fails where the first load has grown beyond what it may cost.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const DIST = new URL("../dist/", import.meta.url).pathname;
/** Bytes of JavaScript, compressed, before the first page is there. */
const BUDGET = 150 * 1024;

const packed = new Map();
for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  // The document is written anew for each answer.
  if (!entry.isFile() || !/\.(js|css|svg|json)$/.test(entry.name)) continue;
  const plain = readFileSync(path);
  const br = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const gz = gzipSync(plain, { level: 9 });
  if (br.length < plain.length) writeFileSync(`${path}.br`, br);
  if (gz.length < plain.length) writeFileSync(`${path}.gz`, gz);
  packed.set(path.slice(DIST.length), gz.length);
}

const document = readFileSync(join(DIST, "index.html"), "utf8");
const first = [...document.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)].map((match) => match[1]);
const bytes = first.reduce((sum, name) => sum + (packed.get(name) ?? 0), 0);
console.log(
  `first load: ${(bytes / 1024).toFixed(1)} KiB of JavaScript with gzip (at most ${BUDGET / 1024}): ${first.join(", ")}`,
);
if (first.length === 0 || bytes > BUDGET) {
  console.error("the first load is too large, or cannot be told");
  process.exit(1);
}
