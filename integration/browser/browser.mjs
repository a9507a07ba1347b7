// A real Chromium with the page's own rules switched on: what the console says
// and what axe finds is kept, and fails the journey at its end.
import { mkdir, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// The packages are the page's own: nothing else is installed for these tests.
const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const places = [process.env.FIRN_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export class Journey {
  constructor(base, out) {
    this.base = base.replace(/\/$/, "");
    this.out = out;
    this.faults = [];
    this.passed = [];
    /** Commands that the page offered for copying, on any screen that was looked at. */
    this.commands = new Set();
  }

  static async open(base, out) {
    const journey = new Journey(base, out);
    await mkdir(out, { recursive: true });
    const executablePath = places.find((place) => place && existsSync(place));
    if (!executablePath) throw new Error("no Chromium: install Debian's `chromium`, or set FIRN_CHROMIUM to its path");
    journey.browser = await chromium.launch({
      executablePath,
      headless: true,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    journey.axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
    return journey;
  }

  async visit(theme) {
    await this.context?.close();
    this.theme = theme;
    this.context = await this.browser.newContext({
      viewport: { width: 1440, height: 900 },
      colorScheme: theme,
      locale: "en-US",
      timezoneId: "UTC",
      acceptDownloads: true,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await this.context.newPage();
    page.setDefaultTimeout(20_000);
    page.on("console", (message) => {
      if (message.type() === "error") this.fault(`console at ${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.fault(`uncaught at ${page.url()}: ${error.message}`));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(this.base) && /^https?:/.test(url)) this.fault(`the page asked a stranger: ${url}`);
    });
    this.page = page;
    return page;
  }

  fault(text) {
    this.faults.push(text);
    console.error(`  fault: ${text}`);
  }

  async go(where) {
    await this.page.goto(this.base + where, { waitUntil: "domcontentloaded" });
  }

  /** Runs a step; one that fails keeps a picture and lets the next ones run. */
  async step(name, run) {
    const begin = Date.now();
    try {
      await run(this.page);
      this.passed.push(name);
      console.log(`ok    ${name} (${Date.now() - begin} ms)`);
    } catch (error) {
      this.fault(`${name}: ${error.message}`);
      await this.page.screenshot({ path: path.join(this.out, `failed-${slug(name)}.png`) }).catch(() => {});
    }
  }

  /** Keeps a picture, and has axe look at the screen. */
  async look(name) {
    // Entrances are over, and nothing pulses in the picture.
    await this.page.evaluate(() => Promise.all(document.getAnimations().map((a) => (a.effect?.getComputedTiming().iterations === Infinity ? null : a.finished.catch(() => {})))));
    await this.page.screenshot({ path: path.join(this.out, `${name}-${this.theme}.png`) });
    await this.offered();
    await this.page.evaluate(this.axe);
    const answer = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    for (const violation of answer.violations) {
      if (!["serious", "critical"].includes(violation.impact)) continue;
      const where = violation.nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.any[0]?.message ?? node.failureSummary}`);
      this.fault(`axe on ${name}, ${this.theme}: ${violation.id} (${violation.impact}), ${violation.nodes.length} times: ${where.join("; ")}`);
    }
  }

  /** Notes the commands that the screen offers for copying. One that shows a fault offers what has the same fault. */
  async offered() {
    const commands = await this.page.evaluate(() =>
      document.querySelector("[role=alert]") ? [] : [...document.querySelectorAll("[data-cli]")].map((button) => button.dataset.cli),
    );
    for (const command of commands) this.commands.add(command);
  }

  async close() {
    await this.browser?.close();
  }
}

export function equal(got, want, what) {
  if (String(got) !== String(want)) throw new Error(`${what}: the page says ${got}, the demo ${want}`);
}

/** Waits until a question has the answer wanted; the page refreshes by itself. */
export async function eventually(ask, want, what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await ask();
    if (String(got) === String(want)) return;
    if (Date.now() > end) equal(got, want, what);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** 541,909 as 541909. */
export const digits = (text) => (text ?? "").replace(/[^0-9]/g, "");

const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
