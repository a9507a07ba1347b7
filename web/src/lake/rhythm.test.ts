import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { EventSchema } from "~/gen/firn/v1/catalog_pb";
import { inflow, rhythm } from "./rhythm";

const event = (ms: number, actor: string, operation: string, rows: string, kind = "commit") =>
  create(EventSchema, {
    at: timestampFromMs(1_000_000 + ms),
    actor,
    operation,
    kind,
    summary: { "added-records": rows },
  });

describe("rhythm", () => {
  it("puts each commit into its bar, by who made it", () => {
    const { beats, stepMs } = rhythm(
      [
        event(100, "ingest", "append", "7"),
        event(60, "compactor", "replace", "100"),
        event(50, "promote:silver.x", "append", "5"),
        event(10, "ingest", "append", "2"),
        event(0, "ingest", "append", "1"),
        event(0, "ingest", "append", "999", "create-table"),
      ],
      2,
    );
    expect(stepMs).toBe(50);
    expect(beats).toEqual([
      { from: 1_000_000, rows: 3, promoted: 0, compactions: 0 },
      { from: 1_000_050, rows: 7, promoted: 5, compactions: 1 },
    ]);
  });
  it("has nothing to show without commits, and one bar for one commit", () => {
    expect(rhythm([], 10).beats).toEqual([]);
    expect(rhythm([event(0, "ingest", "append", "4")], 3).beats.map((beat) => beat.rows)).toEqual([4, 0, 0]);
  });
});

describe("inflow", () => {
  const now = 1_000_000 + 700_000;
  const events = [
    event(690_000, "ingest", "append", "30"),
    event(689_000, "compactor", "replace", "999"),
    event(688_000, "ingest", "append", "10"),
    event(0, "ingest", "append", "7"),
  ];
  it("counts what ingestion committed in the last ten minutes, and over how long", () => {
    expect(inflow(events, now, 400)).toEqual({ rows: 40n, overMs: 2000, perSecond: 20, cut: false });
  });
  it("says so when the log as read does not reach back ten minutes", () => {
    expect(inflow(events.slice(0, 3), now, 3).cut).toBe(true);
    expect(inflow(events, now, 4).cut).toBe(false);
  });
});
