import { readFile } from "node:fs/promises";
import { equal, eventually } from "./browser.mjs";

/** Run a query, read its answer, explain it, export it, cancel one, get one wrong. */
export async function queryJourney(journey, { bronze, silver }) {
  const write = async (page, sql) => {
    await page.locator(".cm-content").click();
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText(sql);
  };
  await journey.step("a query counts the rows of silver", async (page) => {
    await journey.go("/sql");
    await page.locator(".cm-content").waitFor();
    await write(page, `SELECT count(*) AS n FROM ${silver.table}`);
    await page.keyboard.press("Control+Enter");
    await page.locator('[data-result-rows="1"]').waitFor();
    const cell = page.getByRole("table", { name: "Result" }).locator("tr[data-row] td").nth(1);
    equal(await cell.textContent(), silver.rows, `count(*) of ${silver.table}`);
    await journey.look("sql-count");
  });
  await journey.step("a longer result streams into the grid, and stays in the address", async (page) => {
    await write(page, `SELECT * FROM ${silver.table} ORDER BY invoice_ts LIMIT 5000`);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator('[data-result-rows="5000"]').waitFor();
    const grid = page.getByRole("region", { name: "Result, rows" });
    await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.locator('tr[data-row="4999"]').waitFor();
    const rendered = await page.getByRole("table", { name: "Result" }).locator("tr[data-row]").count();
    if (rendered > 200) throw new Error(`${rendered} rows are rendered: the grid is not virtual`);
    if (!new URL(page.url()).searchParams.get("q")?.includes(silver.table)) throw new Error("the query is not in the address");
    await journey.look("sql");
  });
  await journey.step("the result is exported as CSV", async (page) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    const lines = (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
    if (!lines[0].includes("invoice_no")) throw new Error(`the CSV begins with ${lines[0]}`);
    if (lines.length < 5001) throw new Error(`the CSV has ${lines.length} lines`);
  });
  await journey.step("the plan shows which files are pruned", async (page) => {
    await write(page, `SELECT count(*) FROM ${bronze.table} WHERE contributor = 'France'`);
    await page.getByRole("button", { name: "Explain" }).click();
    const plan = page.getByRole("table", { name: "Tables that are read" });
    await plan.getByRole("link", { name: bronze.table }).waitFor();
    await journey.look("sql-plan");
  });
  await journey.step("a faulty query is explained, and names what to do", async (page) => {
    // The service answers with an error status, which the browser logs by itself.
    const before = journey.faults.length;
    await write(page, `SELECT no_such_column FROM ${silver.table}`);
    await page.keyboard.press("Control+Enter");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    if (!/no_such_column/.test(await alert.textContent())) throw new Error(`the fault says ${await alert.textContent()}`);
    await journey.look("sql-fault");
    const logged = journey.faults.splice(before);
    journey.faults.push(...logged.filter((fault) => !/Failed to load resource/.test(fault)));
  });
  await journey.step("a query that runs for long is cancelled", async (page) => {
    await write(page, `SELECT count(*) FROM ${silver.table} a, ${silver.table} b WHERE a.amount * b.amount > 1`);
    await page.keyboard.press("Control+Enter");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("status").filter({ hasText: "cancelled" }).waitFor();
    await write(page, "SELECT 42 AS answer");
    await page.keyboard.press("Control+Enter");
    await eventually(
      () => page.getByRole("table", { name: "Result" }).locator("tr[data-row] td").nth(1).textContent().catch(() => ""),
      "42",
      "the query after the cancelled one",
    );
  });
}
