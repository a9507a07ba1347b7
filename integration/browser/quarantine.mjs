import { digits, equal, eventually } from "./browser.mjs";

/** Follow a quarantined row to its reason, its rule, its run and its source. */
export async function quarantineJourney(journey, { account, bronze, silver }) {
  const reasons = Object.entries(account.quarantined_by_reason ?? {}).sort((a, b) => b[1] - a[1]);
  await journey.step("the quarantine counts rows by rule", async (page) => {
    await journey.go("/quarantine");
    await page.locator("tr[data-row]").first().waitFor();
    const group = page.getByRole("group", { name: "Rule" });
    for (const [rule, rows] of reasons) {
      const facet = group.getByRole("button", { name: rule });
      const text = await facet.textContent();
      equal(digits(text.replace(rule, "")), rows, `rows in quarantine by ${rule}`);
    }
    await journey.look("quarantine");
  });
  await journey.step("a rule filters, a row opens with its reason", async (page) => {
    const [rule] = reasons[0];
    await page.getByRole("group", { name: "Rule" }).getByRole("button", { name: rule }).click();
    await page.waitForURL(new RegExp(`rule=${rule}`));
    await page.locator("tr[data-row]").first().click();
    const panel = page.getByRole("dialog");
    await panel.locator(`[data-reason="${rule}"]`).waitFor();
    await panel.getByText("The rule says").first().waitFor();
    await panel.getByText("Payload, as it was sent").waitFor();
    await journey.look("quarantine-row");
  });
  await journey.step("Esc closes the row, its address opens it again", async (page) => {
    const address = page.url();
    await page.keyboard.press("Escape");
    await eventually(() => page.getByRole("dialog").count(), 0, "open panels");
    await page.goto(address);
    await page.getByRole("dialog").locator("[data-reason]").first().waitFor();
  });
  await journey.step("the row leads to its run, whose account adds up", async (page) => {
    await page.getByRole("dialog").getByRole("link", { name: /^[0-9a-f-]{16,}$/ }).first().click();
    await page.getByRole("heading", { name: "Every row accounted for" }).waitFor();
    await page.locator('[data-law="holds"]').waitFor();
    const sums = await page.locator("[data-law] .font-semibold").filter({ hasText: "Sum" }).allTextContents();
    equal(digits(sums[0]), digits(sums[1]), "the two sides of the conservation law");
    await journey.look("run");
    await page.goBack();
  });
  await journey.step("the row leads to its source at the snapshot it was read from", async (page) => {
    const panel = page.getByRole("dialog");
    await panel.getByRole("link", { name: bronze.table }).waitFor();
    await panel.getByRole("link", { name: /^\d{5,}$/ }).click();
    await page.waitForURL(/tab=data.*snapshot=\d+|snapshot=\d+.*tab=data/);
    // The snapshot may have expired since; then the page says so instead.
    await page.locator("tr[data-row], [role=alert]").first().waitFor();
  });
  await journey.step("the row leads to its model", async (page) => {
    await journey.go(`/quarantine?rule=${reasons[0][0]}`);
    await page.locator("tr[data-row]").first().click();
    await page.getByRole("dialog").getByRole("link", { name: silver.table }).click();
    await page.getByRole("dialog").getByRole("heading", { name: silver.table }).waitFor();
  });
}
