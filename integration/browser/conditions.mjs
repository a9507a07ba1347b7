import { eventually } from "./browser.mjs";

// What UX.md allows the first load to weigh, packed.
const BUDGET = 250 * 1024;

/** What the browser fetches until the overview stands: over the wire, as it came. */
export async function firstLoad(journey) {
  await journey.step("the first load is within its budget", async (page) => {
    await journey.go("/");
    await page.locator("[data-layer-rows=bronze]").waitFor();
    await page.evaluate(() => document.fonts.ready);
    const parts = await page.evaluate(() =>
      [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter((entry) => !entry.name.includes("/firn.v1."))
        .map((entry) => [entry.encodedBodySize, new URL(entry.name).pathname]),
    );
    const total = parts.reduce((sum, [bytes]) => sum + bytes, 0);
    console.log(`      first load: ${total} bytes in ${parts.length} parts; budget ${BUDGET}`);
    if (total < 50_000) throw new Error(`${total} bytes cannot be all: the measure is broken`);
    if (total > BUDGET) {
      const largest = parts.sort((a, b) => b[0] - a[0]).slice(0, 6);
      throw new Error(`the first load is ${total} bytes, over ${BUDGET}: ${largest.map((part) => part.join(" ")).join(", ")}`);
    }
  });
}

/** The service goes away and comes back: the page says so, keeps what it has, and recovers. */
export async function silence(journey) {
  await journey.step("a service that stops answering is told, and its return too", async (page) => {
    await journey.go("/tables");
    await page.locator("tr[data-row]").first().waitFor();
    const before = journey.faults.length;
    const banner = page.getByRole("alert").filter({ hasText: "Firn has not answered since" });
    await page.context().setOffline(true);
    try {
      await banner.waitFor();
      if ((await page.locator("tr[data-row]").count()) === 0) throw new Error("what had been read is gone");
      await journey.look("silence");
    } finally {
      await page.context().setOffline(false);
    }
    await banner.getByRole("button", { name: "Ask now" }).click();
    await eventually(() => banner.count(), 0, "banners after the service is back");
    // The browser logs each fetch that failed; those are the point of this step.
    const logged = journey.faults.splice(before);
    journey.faults.push(...logged.filter((fault) => !/ERR_INTERNET_DISCONNECTED/.test(fault)));
  });
}

/** Each screen on a telephone: nothing runs out of it at the side. */
export async function narrow(journey, screens) {
  await journey.page.setViewportSize({ width: 390, height: 844 });
  for (const [name, where, sign] of screens) {
    await journey.step(`${name} at 390 pixels`, async (page) => {
      await journey.go(where);
      await page.locator(sign).first().waitFor();
      const over = await page.evaluate(() => {
        const main = document.querySelector("main");
        return Math.max(main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - innerWidth);
      });
      if (over > 1) throw new Error(`${over} pixels run out of the screen at the side`);
      await journey.look(`${name}-narrow`);
    });
  }
}
