// Drives the page of a running lake as a person would, and compares what it shows
// with the demo's own account:
//
//   node journey.mjs --base http://127.0.0.1:8181 --out DIR --expect summary.json
//
// The account is what `firn demo --summary` writes. Exit 0 only if every number
// agreed, the console kept silent, and axe found nothing serious in either theme.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { digits, equal, eventually, Journey } from "./browser.mjs";
import { commandsJourney } from "./commands.mjs";
import { compatibilityJourney } from "./compatibility.mjs";
import { firstLoad, narrow, silence } from "./conditions.mjs";
import { queryJourney } from "./query.mjs";
import { quarantineJourney } from "./quarantine.mjs";
import { maintenanceJourney } from "./maintenance.mjs";

const { values: args } = parseArgs({
  options: { base: { type: "string" }, out: { type: "string" }, expect: { type: "string" } },
});
if (!args.base || !args.out || !args.expect) {
  console.error("usage: node journey.mjs --base URL --out DIR --expect summary.json");
  process.exit(2);
}
const account = JSON.parse(await readFile(args.expect, "utf8"));
const layers = account.layers.filter((layer) => !layer.table.includes("__"));
const expected = {
  account,
  bronze: layers.find((layer) => layer.table.startsWith("bronze.")),
  silver: layers.find((layer) => layer.table.startsWith("silver.")),
  gold: layers.filter((layer) => layer.table.startsWith("gold.")),
};

try {
  const answer = await fetch(args.base);
  if (!(await answer.text()).includes("/assets/")) throw new Error("the page is not built into the binary: run `make build`");
} catch (error) {
  console.error(`nothing to walk at ${args.base}: ${error.cause?.message ?? error.message}`);
  process.exit(1);
}

const journey = await Journey.open(args.base, args.out);
try {
  await journey.visit("light");
  await firstLoad(journey);
  await findTable(journey, expected);
  await queryJourney(journey, expected);
  await quarantineJourney(journey, expected);
  await maintenanceJourney(journey, expected);
  await compatibilityJourney(journey, expected);
  await journey.visit("dark");
  await everyScreen(journey, expected);
  await narrow(journey, screensOf(expected));
  await journey.visit("light");
  await silence(journey);
  await commandsJourney(journey, expected);
} finally {
  await journey.close();
}

console.log(`${journey.passed.length} steps passed, ${journey.faults.length} faults; pictures in ${args.out}`);
process.exit(journey.faults.length === 0 ? 0 : 1);

/** Open the overview, find the table, see its files. */
async function findTable(journey, { bronze, silver, gold }) {
  await journey.step("the overview counts the rows of each layer", async (page) => {
    await journey.go("/");
    const rows = (layer) => page.locator(`[data-layer-rows="${layer}"]`).textContent();
    await eventually(async () => digits(await rows("bronze")), bronze.rows, "rows in bronze");
    equal(digits(await rows("silver")), silver.rows, "rows in silver");
    equal(digits(await rows("gold")), gold.reduce((sum, layer) => sum + layer.rows, 0), "rows in gold");
    await page.getByRole("heading", { name: /Needs attention/ }).waitFor();
    await journey.look("overview");
  });
  await journey.step("keys lead to the tables, and the filter finds one", async (page) => {
    await page.locator("main").click({ position: { x: 5, y: 5 } });
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.getByRole("heading", { name: "Tables", exact: true }).waitFor();
    await journey.look("tables");
    await page.keyboard.press("/");
    await page.keyboard.type(bronze.table.split(".")[1]);
    await eventually(() => page.locator("tr[data-row]").count(), 1, "tables that match the filter");
    if (!new URL(page.url()).searchParams.get("q")) throw new Error("the filter is not in the address");
    await page.getByRole("link", { name: bronze.table }).click();
    await eventually(() => page.locator("[data-table-rows]").getAttribute("data-table-rows"), bronze.rows, `rows of ${bronze.table}`);
    await page.getByRole("img", { name: /over \d+ snapshots/ }).waitFor();
    await journey.look("table");
  });
  await journey.step("the table shows its files and their sizes", async (page) => {
    await page.getByRole("tab", { name: "Files" }).click();
    const files = Number(await page.locator("[data-files]").getAttribute("data-files"));
    if (!(files > 0)) throw new Error(`the table has ${files} files`);
    const header = page.locator("header", { has: page.locator("[data-table-rows]") });
    await eventually(
      async () => digits(/([\d,]+) files?/.exec(await header.textContent())?.[1]),
      await page.locator("[data-files]").getAttribute("data-files"),
      "files in the head and in the tab",
    );
    await page.getByText(/^Files by size; each label/).waitFor();
    const first = page.getByRole("table", { name: "Files" }).locator("tr[data-row]").first();
    if (!/\.parquet/.test(await first.textContent())) throw new Error("the list names no Parquet file");
    await journey.look("files");
  });
  for (const [tab, sign] of [
    ["Partitions", "Heat"],
    ["Health", "Why this score"],
    ["Schema", /columns$/],
    ["Snapshots", null],
    ["Connect", /^Read /],
  ]) {
    await journey.step(`the table's tab ${tab}`, async (page) => {
      await page.getByRole("tab", { name: tab }).click();
      if (sign) await page.getByRole("heading", { name: sign }).waitFor();
      else await page.getByRole("table", { name: "Snapshots" }).locator("tr[data-row]").first().waitFor();
      await journey.look(`table-${tab.toLowerCase()}`);
    });
  }
  await journey.step("the data is shown at the head and at an older snapshot", async (page) => {
    await page.getByRole("tab", { name: "Data" }).click();
    const grid = page.getByRole("table", { name: /^Rows of / });
    await grid.locator("tr[data-row]").first().waitFor();
    const picker = page.getByLabel(`Snapshot of ${bronze.table}`);
    const options = await picker.locator("option").count();
    if (options > 2) {
      await picker.selectOption({ index: options - 1 });
      await page.waitForURL(/snapshot=\d+/);
      await grid.locator("tr[data-row]").first().waitFor();
    }
    await journey.look("table-data");
  });
}

/** Each screen once more in the other theme, for the pictures and for axe. */
async function everyScreen(journey, expected) {
  for (const [name, where, sign] of screensOf(expected)) {
    await journey.step(`${name} by night`, async (page) => {
      await journey.go(where);
      await page.locator(sign).first().waitFor();
      if (name === "sql") {
        await page.keyboard.press("Control+Enter");
        await page.locator("[data-result-rows]").waitFor();
      }
      await journey.look(name);
    });
  }
}

/** Name, address, and what tells that it stands. */
function screensOf({ bronze, silver }) {
  const table = encodeURIComponent(bronze.table);
  return [
    ["overview", "/", "[data-layer-rows=bronze]"],
    ["tables", "/tables", "tr[data-row]"],
    ["table", `/tables/${table}`, ".uplot canvas"],
    ["files", `/tables/${table}?tab=files`, "tr[data-row]"],
    ["table-data", `/tables/${table}?tab=data`, "tr[data-row]"],
    ["table-partitions", `/tables/${table}?tab=partitions`, "tr[data-row]"],
    ["table-health", `/tables/${table}?tab=health`, "h2"],
    ["medallion", "/medallion", "[data-edge]"],
    ["model", `/medallion?node=${silver.table}`, "[role=dialog]"],
    ["runs", "/runs", "tr[data-row]"],
    ["jobs", "/jobs", "tr[data-row]"],
    ["schedules", "/schedules", "h1"],
    ["quarantine", "/quarantine", "tr[data-row]"],
    ["ingest", "/ingest", "tr[data-row]"],
    ["compatibility", "/compatibility", "tr[data-row]"],
    ["sql", `/sql?q=${encodeURIComponent(`SELECT * FROM ${silver.table} LIMIT 200`)}`, ".cm-content"],
  ];
}
