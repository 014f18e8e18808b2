// Makes pages of the guide in docs/guide, to be served beside the others.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Marked } from "marked";

const FROM = new URL("../../docs/guide/", import.meta.url).pathname;
const TO = new URL("../dist/docs/guide/", import.meta.url).pathname;

const STYLE = `:root{color-scheme:light dark}
body{max-width:46rem;margin:0 auto;padding:1.5rem 1rem 4rem;font:16px/1.6 system-ui,"Liberation Sans",Arial,sans-serif;
background:light-dark(#fff,#0f1418);color:light-dark(#17212a,#e4eaef)}
a{color:light-dark(#0b6e83,#4fc3d9)}
code{font:.9em ui-monospace,Menlo,"Liberation Mono",monospace;background:light-dark(#eef1f4,#1e262d);padding:.1em .3em;border-radius:4px}
pre{background:light-dark(#eef1f4,#1e262d);padding:.8em 1em;border-radius:8px;overflow:auto}
pre code{background:none;padding:0}
img{max-width:100%;border:1px solid light-dark(#dfe4e9,#28323a);border-radius:8px}
table{border-collapse:collapse}
th,td{text-align:start;padding:.35em .8em .35em 0;border-bottom:1px solid light-dark(#dfe4e9,#28323a);vertical-align:top}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin-bottom:1.5rem;padding-bottom:.8rem;border-bottom:1px solid light-dark(#dfe4e9,#28323a)}
`;

const ids = (text) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "");
const pictures = new Set();
const marked = new Marked({
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${ids(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    // Code is scrolled to by keyboard, too.
    code({ text }) {
      const safe = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
      return `<pre tabindex="0"><code>${safe}</code></pre>\n`;
    },
  },
  walkTokens(token) {
    if (token.type === "link" && !token.href.startsWith("/")) token.href = token.href.replace(/\.md(#|$)/, "$1");
    if (token.type === "link" && token.href === "index") token.href = "./";
    if (token.type === "image") {
      pictures.add(token.href);
      token.href = basename(token.href);
    }
  },
});

mkdirSync(TO, { recursive: true });
writeFileSync(join(TO, "guide.css"), STYLE);
for (const file of readdirSync(FROM).filter((name) => name.endsWith(".md"))) {
  const text = readFileSync(join(FROM, file), "utf8");
  const title = text.match(/^# (.+)$/m)?.[1] ?? "Weir";
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – Weir</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/guide/guide.css">
</head>
<body>
<nav aria-label="Where else"><a href="/docs/guide/">Guide</a> <a href="/docs/">API</a> <a href="/docs/errors">Error codes</a> <a href="/">Dashboard</a></nav>
<main>
${marked.parse(text)}</main>
</body>
</html>
`;
  writeFileSync(join(TO, file.replace(/\.md$/, ".html")), html);
}
for (const picture of pictures) copyFileSync(join(FROM, picture), join(TO, basename(picture)));
