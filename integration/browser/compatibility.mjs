import { readFile } from "node:fs/promises";
import { equal, eventually } from "./browser.mjs";

/** What the tests found of the engines, from a table's Connect tab to the reason of a gap. */
export async function compatibilityJourney(journey, { bronze }) {
  const found = JSON.parse(await readFile(new URL("../../docs/compatibility/embedded.json", import.meta.url), "utf8"));
  const gap = found.find((finding) => finding.engine === "trino" && !finding.passes);
  await journey.step("the Connect tab leads to what its engine can do", async (page) => {
    await journey.go(`/tables/${encodeURIComponent(bronze.table)}?tab=connect&engine=trino`);
    await page.getByRole("link", { name: "What Trino can do here" }).click();
    await page.getByRole("heading", { name: "Compatibility", exact: true }).waitFor();
    await page.waitForURL(/engine=trino/);
    await page.getByRole("button", { name: /What does not work/ }).click();
    await page.waitForURL(/gaps=1/);
    const lines = new Set(found.filter((finding) => finding.engine === "trino" && !finding.passes).map((finding) => finding.feature));
    await eventually(() => page.locator("tr[data-row]").count(), lines.size, "features that Trino lacks");
    await journey.look("compatibility-gaps");
  });
  await journey.step("a gap tells its reason and its test", async (page) => {
    await page.getByLabel("Filter features and reasons").fill(gap.reason);
    await page.waitForURL(/q=/);
    await page.locator("tr[data-row]", { hasText: gap.feature }).first().click();
    const panel = page.getByRole("dialog", { name: gap.feature });
    await panel.getByText(gap.reason).first().waitFor();
    await panel.getByText(gap.test).first().waitFor();
    equal(new URL(page.url()).searchParams.get("feature"), gap.feature, "the feature in the address");
    await journey.look("compatibility-feature");
    await page.keyboard.press("Escape");
  });
  await journey.step("the other object store has findings of its own", async (page) => {
    await journey.go("/compatibility");
    await page.locator("tr[data-row]").first().waitFor();
    await page.getByLabel("Object store").selectOption("minio");
    await page.waitForURL(/store=minio/);
    await page.locator("tr[data-row]").first().waitFor();
  });
}
