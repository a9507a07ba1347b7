// Finishes a build: packs the text files with gzip, and fails when the first
// load weighs more than its budget.
//
// First load is what a browser fetches before the overview stands: index.html,
// the entry and its static imports, the overview's own chunk, their CSS, and the
// fonts that the page always uses.
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET = 250 * 1024;
const dist = fileURLToPath(new URL("../dist/", import.meta.url));

const files = (await readdir(dist, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(dist, path.join(entry.parentPath, entry.name)));

const weight = new Map();
for (const name of files) {
  const body = await readFile(path.join(dist, name));
  if (!/\.(js|css|svg|html|json)$/.test(name)) {
    weight.set(name, body.length);
    continue;
  }
  const packed = gzipSync(body, { level: 9 });
  weight.set(name, packed.length);
  // index.html gets a nonce an answer, so it cannot be packed before.
  if (name !== "index.html") await writeFile(path.join(dist, `${name}.gz`), packed);
}

const html = await readFile(path.join(dist, "index.html"), "utf8");
const first = new Set(["index.html"]);

async function reach(name) {
  if (first.has(name)) return;
  first.add(name);
  if (!name.endsWith(".js")) return;
  const text = await readFile(path.join(dist, name), "utf8");
  for (const [, , target] of text.matchAll(/(from|import)\s*["']\.\/([^"']+)["']/g)) {
    await reach(`assets/${target}`);
  }
}

for (const [, target] of html.matchAll(/(?:src|href)="\/([^"]+)"/g)) await reach(target);
for (const name of files) {
  if (/^assets\/overview-(?!tab)[^/]*\.(js|css)$/.test(name)) await reach(name);
  // The face that every screen uses; the fixed-width one comes with code.
  if (/^assets\/inter-latin-wght-normal[^/]*\.woff2$/.test(name)) first.add(name);
}

let total = 0;
for (const name of [...first].sort((a, b) => weight.get(b) - weight.get(a))) {
  total += weight.get(name);
  console.log(`${String(weight.get(name)).padStart(8)}  ${name}`);
}
console.log(`${String(total).padStart(8)}  first load, gzipped; budget ${BUDGET}`);
if (total > BUDGET) {
  console.error(
    `The first load is ${total - BUDGET} bytes over its budget: load what the overview does not need later.`,
  );
  process.exit(1);
}
