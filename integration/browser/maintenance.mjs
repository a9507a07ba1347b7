import { digits, equal, eventually } from "./browser.mjs";

/** The medallion graph, the jobs, the channels; a dry run; the palette and live refresh. */
export async function maintenanceJourney(journey, { bronze, silver, gold }) {
  await journey.step("the medallion has a card for each table, and counts on its edges", async (page) => {
    await journey.go("/medallion");
    for (const layer of [bronze, silver, ...gold]) {
      const card = page.locator(`[data-model="${layer.table}"]`);
      await card.waitFor();
      equal(digits(/([\d,]+)rows/.exec((await card.textContent()).replace(/\s/g, ""))?.[1]?.replace(/^.*?(?=\d)/, "")), layer.rows, `rows on the card of ${layer.table}`);
    }
    const edge = page.locator(`[data-edge="${bronze.table} ${silver.table}"]`);
    equal(digits(await edge.locator("dd").first().textContent()), bronze.rows, "rows into silver, on the edge");
    await journey.look("medallion");
  });
  await journey.step("a model shows its SQL, its rules and its runs", async (page) => {
    await page.locator(`[data-model="${silver.table}"]`).click();
    const panel = page.getByRole("dialog");
    await panel.getByRole("region", { name: `SQL of ${silver.table}` }).waitFor();
    await panel.getByRole("link", { name: "price_positive" }).waitFor();
    await journey.look("model");
    await page.keyboard.press("Escape");
  });
  await journey.step("the jobs have states with counts; one opens with its reason", async (page) => {
    await journey.go("/jobs");
    await page.locator("tr[data-row]").first().waitFor();
    await page.getByRole("group", { name: "State" }).getByRole("button", { name: /Succeeded/ }).click();
    await page.waitForURL(/state=succeeded/);
    await page.locator("tr[data-row]").first().click();
    await page.getByRole("dialog").getByText("Why", { exact: true }).waitFor();
    await journey.look("job");
    await page.keyboard.press("Escape");
    await journey.look("jobs");
  });
  await journey.step("a job is reached and opened by keys alone", async (page) => {
    await journey.go("/jobs");
    await page.locator("tr[data-row]").nth(1).waitFor();
    for (const key of ["j", "j", "Enter"]) await page.keyboard.press(key);
    await page.getByRole("dialog").getByText("Why", { exact: true }).waitFor();
    if (!new URL(page.url()).searchParams.get("job")) throw new Error("the open job is not in the address");
    await page.keyboard.press("Escape");
    await eventually(() => page.getByRole("dialog").count(), 0, "open panels");
  });
  await journey.step("a schedule says when and by which policies it fires; it is run, paused and resumed", async (page) => {
    const put = await fetch(`${new URL(page.url()).origin}/firn.v1.MaintenanceService/PutSchedule`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ schedule: {
        name: "page-orphans", cron: "0 2 * * *", timeZone: "Europe/Berlin", kind: "JOB_KIND_ORPHANS",
        table: { namespace: silver.table.split(".").slice(0, -1), name: silver.table.split(".").at(-1) },
        windows: ["fri 22:00-06:00"], overlap: "OVERLAP_POLICY_QUEUE",
      } }),
    });
    equal(put.status, 200, "status of PutSchedule");
    await journey.go("/schedules");
    const row = page.locator("tr[data-row]").filter({ hasText: "page-orphans" });
    await row.waitFor();
    if (!/fri 22:00-06:00.*overlap queue, missed once/s.test(await row.textContent())) throw new Error(`the row says ${await row.textContent()}`);
    await journey.look("schedules");
    await row.click();
    const panel = page.getByRole("dialog");
    await panel.getByText(/^Fri \d{4}-\d\d-\d\d 22:00:00$/).first().waitFor();
    await panel.getByRole("button", { name: "Copy as CLI: firn schedule run page-orphans" }).waitFor();
    await panel.getByRole("button", { name: "Run now" }).click();
    await panel.getByText("Fired, 1 job", { exact: true }).first().waitFor();
    await panel.getByRole("button", { name: "Pause", exact: true }).click();
    await panel.getByRole("button", { name: "Resume", exact: true }).waitFor();
    await panel.getByRole("button", { name: "Copy as CLI: firn schedule resume page-orphans" }).waitFor();
    await journey.look("schedule");
    await panel.getByRole("button", { name: "Resume", exact: true }).click();
    await panel.getByRole("button", { name: "Pause", exact: true }).waitFor();
    await page.keyboard.press("Escape");
  });
  await journey.step("a schedule is made, edited and removed on the page", async (page) => {
    const before = journey.faults.length;
    await journey.go("/schedules");
    await page.getByRole("button", { name: "New schedule" }).click();
    const dialog = page.getByRole("dialog", { name: "New schedule" });
    const field = (name) => dialog.getByLabel(name, { exact: true });
    const times = dialog.getByRole("list", { name: "Next due times" }).getByRole("listitem");
    await eventually(() => times.count(), 5, "due times of a new schedule");
    await field("On").selectOption({ label: "one table" });
    await dialog.getByText("A table is named namespace.table.").waitFor();
    await field("Table").fill(silver.table);
    equal(await field("Name").inputValue(), `compact-${silver.table}`, "the name that is proposed");
    await field("Name").fill("page-orphans");
    await dialog.getByText("Another schedule has this name; it can be edited.").waitFor();
    await field("Name").fill("page-made");
    // The service says what is wrong, each at its field; nothing that is wrong can be made or copied.
    await field("Cron").fill("61 * * * *");
    await field("Time zone").fill("Mars");
    await dialog.getByText(/^Cron "61 \* \* \* \*" cannot be read: /).waitFor();
    await dialog.getByText(/^Time zone "Mars" is unknown: /).waitFor();
    equal(await field("Cron").getAttribute("aria-invalid"), "true", "a cron that is at fault");
    equal(await dialog.getByRole("button", { name: "Create" }).isDisabled(), true, "a schedule at fault cannot be made");
    equal(await dialog.getByRole("button", { name: /^Copy as CLI/ }).count(), 0, "commands that would be refused");
    await journey.look("schedule-faults");
    await field("Cron").fill("30 3 * * *");
    await field("Time zone").fill("Europe/Berlin");
    await field("Windows").fill("22:00-06:00");
    await field("Due while its jobs are active").selectOption({ label: "queue" });
    await dialog.getByText("One firing waits for the earlier jobs.").waitFor();
    await eventually(async () => (await times.allTextContents()).filter((text) => / 03:30:00in /.test(text)).length, 5, "due times at half past three");
    await dialog.getByRole("button", { name: `Copy as CLI: firn schedule put page-made --cron '30 3 * * *' --time-zone Europe/Berlin --table ${silver.table} --window 22:00-06:00 --overlap queue` }).waitFor();
    await journey.look("schedule-new");
    await eventually(() => dialog.getByRole("button", { name: "Create" }).isEnabled(), true, "it can be made");
    await field("Cron").press("Enter");
    const panel = page.getByRole("dialog", { name: "page-made" });
    await panel.getByText("queue: one firing waits for the earlier jobs.").waitFor();

    await panel.getByRole("button", { name: "Edit" }).click();
    const edit = page.getByRole("dialog", { name: "Edit page-made" });
    equal(await edit.getByLabel("Windows", { exact: true }).inputValue(), "22:00-06:00", "the windows as they are kept");
    await edit.getByLabel("Cron", { exact: true }).fill("0 4 * * sun");
    await edit.getByText(/^Sun \d{4}-\d\d-\d\d 04:00:00$/).first().waitFor();
    await journey.look("schedule-edit");
    await eventually(() => edit.getByRole("button", { name: "Save" }).isEnabled(), true, "it can be saved");
    await edit.getByRole("button", { name: "Save" }).click();
    await panel.getByText("0 4 * * sun", { exact: true }).waitFor();

    await panel.getByRole("button", { name: "Remove" }).click();
    const sure = page.getByRole("dialog", { name: "Remove page-made?" });
    await sure.getByRole("button", { name: "Copy as CLI: firn schedule rm page-made" }).waitFor();
    await journey.look("schedule-remove");
    await page.keyboard.press("Escape");
    await panel.getByRole("button", { name: "Remove" }).click();
    await sure.getByRole("button", { name: "Remove" }).click();
    await eventually(() => page.locator("tr[data-row]").filter({ hasText: "page-made" }).count(), 0, "rows of the schedule that was removed");
    await eventually(() => page.getByRole("dialog").count(), 0, "open panels");
    // The browser logs each dry run that the service refused; those are the point of this step.
    const logged = journey.faults.splice(before);
    journey.faults.push(...logged.filter((fault) => !/^console at .*\/schedules: .* status of 400 /.test(fault)));
  });
  await journey.step("a compaction is asked for with a dry run first", async (page) => {
    await journey.go(`/tables/${encodeURIComponent(bronze.table)}`);
    await page.locator("header").getByRole("button", { name: "Compact", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Dry run: nothing has happened yet.").waitFor();
    await dialog.getByRole("button", { name: /Compact|Queue it anyway/ }).waitFor();
    await dialog.getByRole("button", { name: `Copy as CLI: firn compact ${bronze.table} --wait` }).waitFor();
    await journey.look("dry-run");
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });
  await journey.step("a table says what its maintenance goes by, and who says so", async (page) => {
    const levels = silver.table.split(".").slice(0, -1);
    const policy = async (body) => {
      const answer = await fetch(`${new URL(page.url()).origin}/firn.v1.MaintenanceService/SetPolicy`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ of: { namespace: levels }, ...body }),
      });
      equal(answer.status, 200, "status of SetPolicy");
    };
    await policy({ set: { "firn.compact.budget-bytes-per-day": "1099511627776" } });
    await journey.go(`/tables/${encodeURIComponent(silver.table)}?tab=health`);
    const card = page.locator("section.card").filter({ has: page.getByRole("heading", { name: "Policy", exact: true }) });
    const line = card.locator("dl > div").filter({ hasText: "firn.compact.budget-bytes-per-day" });
    await line.waitFor();
    const text = await line.textContent();
    if (!text.includes("1 TiB") || !text.includes(`namespace ${levels.join(".")}`) || !/ used$/.test(text)) throw new Error(`the line says ${text}`);
    await card.getByRole("button", { name: /more by default$/ }).click();
    await card.getByText("firn.compact.quiet", { exact: true }).waitFor();
    await card.getByRole("button", { name: `Copy as CLI: firn policy show ${silver.table}` }).waitFor();
    await journey.look("policy");
    await policy({ unset: ["firn.compact.budget-bytes-per-day"] });
  });
  await journey.step("a hot partition says by what, what is done about it, and what would help", async (page) => {
    await journey.go(`/tables/${encodeURIComponent(bronze.table)}?tab=partitions`);
    const why = page.getByRole("list", { name: /^Why .*United Kingdom is hot$/ });
    await why.getByText(/% of the bytes, .* times the median partition/).waitFor();
    await eventually(() => page.getByRole("list", { name: /^What cools .*United Kingdom$/ }).getByRole("listitem").count(), 5, "steps of the ladder");
    await journey.look("hot-partitions");
    await page.getByRole("button", { name: "Rebalance", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Dry run: nothing has happened yet.").waitFor();
    await dialog.getByRole("button", { name: `Copy as CLI: firn rebalance ${bronze.table} --dry-run` }).waitFor();
    await journey.look("rebalance-dry-run");
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });
  await journey.step("the channels are listed with what they committed", async (page) => {
    await journey.go("/ingest");
    await page.locator("tr[data-row]").first().waitFor();
    await journey.look("ingest");
  });
  await journey.step("the runs are listed, each with its law", async (page) => {
    await journey.go("/runs");
    await page.locator("tr[data-row]").first().waitFor();
    equal(await page.getByRole("table", { name: "Runs" }).getByText("broken").count(), 0, "runs whose law is broken");
    await journey.look("runs");
  });
  await journey.step("the palette goes to a table, p pauses the refresh", async (page) => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to a table or a screen" }).fill(gold[0].table);
    await page.keyboard.press("Enter");
    await eventually(() => page.locator("[data-table-rows]").getAttribute("data-table-rows").catch(() => ""), gold[0].rows, `rows of ${gold[0].table}`);
    await page.locator("header").first().click();
    await page.keyboard.press("p");
    await page.getByRole("button", { name: "Paused" }).waitFor();
    await page.keyboard.press("p");
    await page.getByRole("button", { name: "Live" }).waitFor();
  });
}
