import { readFile } from "node:fs/promises";
import { equal, eventually } from "./browser.mjs";

const found = async (store) =>
  JSON.parse(await readFile(new URL(`../../docs/compatibility/${store}.json`, import.meta.url), "utf8"));

/** What the tests found of the engines, from a table's Connect tab to the reason of a gap. */
export async function compatibilityJourney(journey, { bronze }) {
  const embedded = await found("embedded");
  const gaps = embedded.filter((finding) => finding.engine === "trino" && !finding.passes);
  const [gap] = gaps;
  await journey.step("the Connect tab leads to what its engine can do", async (page) => {
    await journey.go(`/tables/${encodeURIComponent(bronze.table)}?tab=connect&engine=trino`);
    await page.getByRole("link", { name: "What Trino can do here" }).click();
    await page.getByRole("heading", { name: "Compatibility", exact: true }).waitFor();
    await page.waitForURL(/engine=trino/);
    await page.getByRole("button", { name: /What does not work/ }).click();
    await page.waitForURL(/gaps=1/);
    const features = new Set(gaps.map((finding) => finding.feature));
    await eventually(() => page.locator("tr[data-row]").count(), features.size, "features that Trino lacks");
    // The reason stands in the table, without a pointer over it.
    const row = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: gap.feature, exact: true }) });
    await row.getByRole("cell", { name: gap.reason }).waitFor();
    await journey.look("compatibility-gaps");
  });
  await journey.step("keys open a gap, which tells its reason and its test", async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type(gap.reason);
    await page.keyboard.press("Tab");
    await eventually(() => new URL(page.url()).searchParams.get("q"), gap.reason, "the filter in the address");
    const link = page.getByRole("rowheader").getByRole("link", { name: gap.feature, exact: true });
    await link.focus();
    await page.keyboard.press("Enter");
    const panel = page.getByRole("dialog", { name: gap.feature });
    await panel.getByText(gap.reason).first().waitFor();
    await panel.getByText(gap.test).first().waitFor();
    const where = new URL(page.url()).searchParams;
    equal([where.get("feature"), where.get("engine"), where.get("gaps")], [gap.feature, "trino", "1"], "the feature and the filters in the address");
    await journey.look("compatibility-feature");
    await page.keyboard.press("Escape");
    await eventually(() => panel.count(), 0, "panels after Escape");
    await page.reload();
    await link.waitFor();
    equal(await page.getByLabel("Filter features and reasons").inputValue(), gap.reason, "the filter after a reload");
  });
  await journey.step("the other object store has findings of its own", async (page) => {
    const minio = await found("minio");
    await journey.go("/compatibility");
    await page.getByText(`${embedded.length} checks of real engines on the embedded store`).waitFor();
    await page.getByLabel("Object store").selectOption("minio");
    await page.waitForURL(/store=minio/);
    await page.getByText(`${minio.length} checks of real engines on MinIO`).waitFor();
    await page.locator("tr[data-row]").first().waitFor();
  });
}
