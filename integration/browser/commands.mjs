// The commands that the page hands out, run as they are copied: unedited, in a
// folder that knows nothing of the lake.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { equal } from "./browser.mjs";

const run = promisify(execFile);
const bin = process.env.FIRN_BIN ?? fileURLToPath(new URL("../../bin/", import.meta.url));

// Those that change something come last: the numbers were compared before.
const changes = /^firn (run|compact|expire|job (cancel|retry)|schedule (run|pause|resume))\b(?!.*--dry-run)/;

// What a dialog made and removed again is made before its other commands, and removed after them.
const turn = (command) => (/^firn schedule put /.test(command) ? 0 : /^firn schedule rm /.test(command) ? 3 : changes.test(command) ? 2 : 1);

export async function commandsJourney(journey, { bronze, silver }) {
  // Commands follow the filters: these addresses have some.
  const table = encodeURIComponent(bronze.table);
  for (const [where, sign] of [
    [`/ingest?table=${table}`, "tr[data-row]"],
    [`/runs?model=${silver.table}`, "tr[data-row]"],
    ["/tables?ns=bronze", "tr[data-row]"],
    ["/jobs?state=succeeded", "tr[data-row]"],
    [`/quarantine?model=${silver.table}`, "tr[data-row]"],
    [`/tables/${table}?tab=snapshots`, "tr[data-row]"],
  ]) {
    await journey.step(`the command of ${where}`, async (page) => {
      await journey.go(where);
      await page.locator(sign).first().waitFor();
      await journey.offered();
    });
  }
  await journey.step("files at a snapshot are listed by a command too", async (page) => {
    await page.locator("tr[data-row]").nth(1).click();
    await page.getByRole("dialog").getByRole("link", { name: "Files at this snapshot" }).click();
    await page.locator("[data-cli*='--snapshot']").waitFor();
    await journey.offered();
  });
  await journey.step("what a CLI button copies is what it says", async (page) => {
    await journey.go("/tables");
    await page.locator("tr[data-row]").first().waitFor();
    const button = page.getByRole("button", { name: "Copy as CLI: firn table ls" });
    await button.click();
    equal(await page.evaluate(() => navigator.clipboard.readText()), await button.getAttribute("data-cli"), "the clipboard");
  });
  if (!existsSync(path.join(bin, "firn"))) throw new Error(`no firn in ${bin}: run \`make build\`, or set FIRN_BIN to its folder`);
  const folder = await mkdtemp(path.join(tmpdir(), "firn-commands-"));
  const commands = [...journey.commands].sort((a, b) => turn(a) - turn(b));
  await journey.step(`${commands.length} commands of the page work unedited`, async () => {
    if (commands.length < 20) throw new Error(`only ${commands.length} commands were seen`);
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, FIRN_SERVER: "" };
    for (const command of commands) {
      await run("sh", ["-c", command], { cwd: folder, env, timeout: 120_000, maxBuffer: 1 << 26 }).catch((error) => {
        journey.fault(`copied command: ${command}: exit ${error.code}: ${String(error.stderr).trim()}`);
      });
    }
  });
  await rm(folder, { recursive: true, force: true });
}
