import { chromium } from "playwright-core";
const base = process.argv[2], out = process.argv[3], only = process.argv[4];
const b = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox","--disable-gpu","--disable-quic","--no-first-run","--disable-background-networking","--disable-component-update","--disable-sync"] });
const pages = { overview:"/", tables:"/tables", table:"/tables/bronze.invoice_lines_raw", data:"/tables/bronze.invoice_lines_raw?tab=data", schema:"/tables/bronze.invoice_lines_raw?tab=schema&against=0", snapshots:"/tables/bronze.invoice_lines_raw?tab=snapshots", files:"/tables/bronze.invoice_lines_raw?tab=files", partitions:"/tables/bronze.invoice_lines_raw?tab=partitions", health:"/tables/bronze.invoice_lines_raw?tab=health", connect:"/tables/bronze.invoice_lines_raw?tab=connect", medallion:"/medallion", node:"/medallion?node=silver.invoice_lines", runs:"/runs", run:"/runs/0193a7c2-4f1e-7b11-9d55-2f7d8f0a6c01", jobs:"/jobs", job:"/jobs?job=0193a7d0-0003-7000-8000-000000000003", quarantine:"/quarantine", ingest:"/ingest", sql:"/sql?q=SELECT%20country,%20count(*)%20FROM%20bronze.invoice_lines_raw%20GROUP%20BY%20ALL" };
for (const theme of ["light","dark"]) {
  const ctx = await b.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: theme, locale: "en-US" });
  const p = await ctx.newPage();
  p.on("console", m => { if (m.type()==="error"||m.type()==="warning") console.log(theme, p.url(), m.text().slice(0,400)); });
  p.on("pageerror", e => console.log(theme, p.url(), "PAGEERROR", e.message.slice(0,400)));
  for (const [n,u] of Object.entries(pages)) {
    if (only && !only.split(",").includes(n)) continue;
    await p.goto(base+u); await p.waitForTimeout(1100);
    if (n==="sql") { await p.keyboard.press("Control+Enter"); await p.waitForTimeout(900); }
    if (n==="quarantine") { await p.locator("tr[data-row]").nth(2).click().catch(()=>{}); await p.waitForTimeout(500); }
    await p.screenshot({ path: `${out}/${theme}-${n}.png` });
  }
  await ctx.close();
}
await b.close();
