import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { arg, atServer, cli } from "./cli";
import { ago, bytes, compact, count, duration, moment, percent, plural, shortSnapshot } from "./format";
import { bars, targetBand, trimBars } from "./histogram";
import { law } from "./law";
import { layerOf, parseTable, sideOf, sqlName, tableName } from "./name";
import { gini, heat, median, partitionName } from "./partitions";
import { bodyOf, rulesOf } from "./rules";
import { stepBars } from "./runs";

describe("format", () => {
  it("prints 64-bit counts without losing a digit", () => {
    expect(count(9223372036854775807n)).toBe("9,223,372,036,854,775,807");
    expect(count(541909n)).toBe("541,909");
  });
  it("shortens counts from five digits on, and never to 1000 k", () => {
    expect(compact(9_999n)).toBe("9,999");
    expect(compact(541_909n)).toBe("542 k");
    expect(compact(12_345n)).toBe("12.3 k");
    expect(compact(999_960n)).toBe("1 M");
  });
  it("prints bytes in binary units, and never 1024 of one", () => {
    expect(bytes(0n)).toBe("0 B");
    expect(bytes(1023n)).toBe("1023 B");
    expect(bytes(1024n)).toBe("1 KiB");
    expect(bytes(1024 * 1024 - 1)).toBe("1 MiB");
    expect(bytes(133.7 * 1024 * 1024)).toBe("134 MiB");
  });
  it("prints durations in two units", () => {
    expect(duration(340)).toBe("340 ms");
    expect(duration(59_960)).toBe("1 m");
    expect(duration(2_100)).toBe("2.1 s");
    expect(duration(200_000)).toBe("3 m 20 s");
    expect(duration(3_600_000)).toBe("1 h");
    expect(duration(-1)).toBe("–");
  });
  it("says how long ago in one unit, and never for an unset time", () => {
    const now = Date.UTC(2026, 10, 20);
    expect(ago(undefined, now)).toBe("never");
    expect(ago(timestampFromMs(now - 500), now)).toBe("just now");
    expect(ago(timestampFromMs(now - 12_300), now)).toBe("12 s ago");
    expect(ago(timestampFromMs(now - 3 * 3_600_000 - 600_000), now)).toBe("3 h ago");
    expect(moment(timestampFromMs(now))).toBe("2026-11-20 00:00:00Z");
  });
  it("prints shares, plurals and snapshots", () => {
    expect(percent(0.914)).toBe("91.4 %");
    expect(percent(0.0001)).toBe("< 0.1 %");
    expect(plural(1n, "row")).toBe("1 row");
    expect(plural(0n, "row")).toBe("0 rows");
    expect(shortSnapshot(0n)).toBe("–");
    expect(shortSnapshot(8123456789012345678n)).toBe("…345678");
  });
});

describe("names", () => {
  it("reads and writes dotted names", () => {
    expect(parseTable("a.b.t")).toEqual({ namespace: ["a", "b"], name: "t" });
    expect(tableName(parseTable("a.b.t"))).toBe("a.b.t");
    expect(tableName(undefined)).toBe("");
    expect(layerOf("silver.invoice_lines")).toBe("silver");
    expect(layerOf("landing.x")).toBe("other");
    expect(sideOf("silver.x__quarantine")).toEqual({ table: "silver.x", side: "quarantine" });
  });
  it("quotes for SQL and for the shell what needs it", () => {
    expect(sqlName('a.b c.d"e')).toBe('a."b c"."d""e"');
    expect(arg("a'b; rm")).toBe(`'a'\\''b; rm'`);
    expect(cli.compact("bronze.t")).toBe("firn compact bronze.t --wait");
  });
});

describe("commands as they are copied", () => {
  it("name the service only when it is not where the command line looks by itself", () => {
    expect(atServer("firn table ls", "http://127.0.0.1:8181")).toBe("firn table ls");
    expect(atServer("firn table ls", "http://10.0.0.7:9000")).toBe("firn table ls --server http://10.0.0.7:9000");
  });
  it("name it in each command of several, and leave SQL alone", () => {
    expect(atServer(cli.start(), "http://h:1").match(/firn [^&|]*--server http:\/\/h:1/g)).toHaveLength(3);
    const sql = cli.sql("SELECT 'firn table ls && x'");
    expect(atServer(sql, "http://h:1")).toBe(`${sql} --server http://h:1`);
  });
});

describe("law", () => {
  const run = {
    read: 541909n,
    liveBefore: 0n,
    liveAfter: 534120n,
    superseded: 5268n,
    stale: 0n,
    deleted: 0n,
    quarantined: 2521n,
    dropped: 0n,
    filtered: 0n,
  };
  it("adds up both sides", () => {
    expect(law(run)).toMatchObject({ leftSum: 541909n, rightSum: 541909n, holds: true, missing: 0n });
  });
  it("names the rows that nobody accounts for", () => {
    expect(law({ ...run, quarantined: 2520n })).toMatchObject({ holds: false, missing: 1n });
  });
});

describe("histogram", () => {
  const mib = 1024 * 1024;
  const buckets = [
    { below: 0n, files: 1n, bytes: BigInt(900 * mib) },
    { below: BigInt(mib), files: 40n, bytes: 1000n },
    { below: BigInt(64 * mib), files: 0n, bytes: 0n },
    { below: BigInt(128 * mib), files: 20n, bytes: BigInt(2000 * mib) },
    { below: BigInt(256 * mib), files: 10n, bytes: 1n },
  ];
  it("orders buckets, the unbounded one last, and marks the target band", () => {
    const all = bars(buckets, 128 * mib);
    expect(all.map((bar) => bar.place)).toEqual(["small", "small", "target", "target", "large"]);
    expect(all.map((bar) => bar.height)).toEqual([1, 0, 0.5, 0.25, 0.025]);
    expect(all[0]?.label).toBe("< 1 MiB");
    expect(all[4]?.label).toBe("≥ 256 MiB");
    expect(targetBand(100)).toEqual({ from: 75, to: 180 });
  });
  it("trims empty ends but keeps the band in sight", () => {
    const few = bars(
      [{ below: 1n, files: 0n, bytes: 0n }, ...buckets.slice(1, 4), { below: 0n, files: 0n, bytes: 0n }],
      128 * mib,
    );
    const trimmed = trimBars(few);
    expect(trimmed[0]?.files).toBe(40n);
    expect(trimmed.at(-1)?.place).toBe("target");
    expect(trimBars(bars([{ below: 1n, files: 0n, bytes: 0n }], 1))).toEqual([]);
  });
});

describe("partitions", () => {
  it("tells NULL from the text null", () => {
    expect(partitionName([{ $typeName: "firn.v1.PartitionField", name: "c", value: undefined }])).toBe("c=NULL");
    expect(partitionName([{ $typeName: "firn.v1.PartitionField", name: "c", value: "null" }])).toBe("c=null");
    expect(partitionName([])).toBe("(unpartitioned)");
  });
  it("measures skew", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1])).toBe(2.5);
    expect(gini([5, 5, 5])).toBeCloseTo(0);
    expect(gini([0, 0, 0, 100])).toBeCloseTo(0.75);
    const part = (bytes: bigint) => ({ values: [], files: 1n, smallFiles: 0n, bytes, rows: 1n, share: 0 }) as never;
    expect(heat([part(1000n), part(10n), part(10n)]).map((entry) => entry.level)).toEqual([5, 1, 1]);
  });
});

describe("rules", () => {
  const sql = `/*---
kind: model
rules:
  - { name: price_positive, expr: "unit_price > 0", on_fail: quarantine }
  - name: customer_known
    expr: 'customer_id IS NOT NULL'
    on_fail: warn
---*/
SELECT 1`;
  it("reads both forms", () => {
    expect(rulesOf(sql)).toEqual([
      { name: "price_positive", expr: "unit_price > 0", onFail: "quarantine" },
      { name: "customer_known", expr: "customer_id IS NOT NULL", onFail: "warn" },
    ]);
    expect(bodyOf(sql)).toBe("SELECT 1");
    expect(rulesOf("SELECT 1")).toEqual([]);
  });
});

describe("run steps", () => {
  it("lays steps on one line", () => {
    const steps = [
      { name: "plan", elapsedMs: 10 },
      { name: "read", elapsedMs: 30 },
    ] as never;
    expect(stepBars({ steps })).toEqual([
      { name: "plan", ms: 10, from: 0, width: 0.25 },
      { name: "read", ms: 30, from: 0.25, width: 0.75 },
    ]);
  });
});
