import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { HealthSchema, TableSummarySchema } from "~/gen/firn/v1/catalog_pb";
import { JobKind, JobSchema, JobState } from "~/gen/firn/v1/maintenance_pb";
import { GraphNodeSchema, QuarantineCountSchema, RunState } from "~/gen/firn/v1/model_pb";
import { attention, type Lake } from "./attention";
import { excessFiles } from "./health";

const table = { namespace: ["bronze"], name: "t" };
const none: Lake = { tables: [], jobs: [], nodes: [], quarantine: [] };
const job = (id: string, state: JobState) =>
  create(JobSchema, { id, state, table, kind: JobKind.COMPACT, error: "no space" });

describe("attention", () => {
  it("is silent about a healthy lake", () => {
    const healthy = create(TableSummarySchema, { table, health: { score: 97 } });
    const unknown = create(TableSummarySchema, { table, health: { score: -1 } });
    expect(attention({ ...none, tables: [healthy, unknown], jobs: [job("1", JobState.SUCCEEDED)] })).toEqual([]);
  });

  it("puts the worst first, each with a reason, an action and a command", () => {
    const items = attention({
      tables: [
        create(TableSummarySchema, {
          table,
          health: {
            score: 41,
            reasons: [
              { code: "skew", points: 10, message: "one partition has 91.4 %" },
              { code: "small_files", points: 49, message: "812 small files" },
            ],
          },
        }),
      ],
      jobs: [job("7", JobState.FAILED)],
      nodes: [
        create(GraphNodeSchema, { name: "gold.x", state: RunState.SUCCEEDED, mode: "aggregate", pendingRows: 5n }),
      ],
      quarantine: [create(QuarantineCountSchema, { model: "silver.x", rule: "price_positive", rows: 2512n })],
    });
    expect(items.map((item) => item.severity)).toEqual(["bad", "bad", "warn", "note"]);
    expect(items[0]).toMatchObject({ subject: "bronze.t", cli: "firn job retry 7" });
    expect(items[1]).toMatchObject({ reason: "Health 41: 812 small files", cli: "firn compact bronze.t --wait" });
    expect(items[2]?.action.search).toEqual({ model: "silver.x", rule: "price_positive" });
  });

  it("offers what helps against the worst reason", () => {
    const offered = (code: string) =>
      attention({
        ...none,
        tables: [create(TableSummarySchema, { table, health: { score: 70, reasons: [{ code, points: 30 }] } })],
      }).map((item) => item.cli);
    expect(offered("skew")).toEqual(["firn rebalance bronze.t --wait"]);
    expect(offered("over_partitioned")).toEqual(["firn rebalance bronze.t --wait"]);
    expect(offered("snapshots")).toEqual(["firn expire bronze.t --wait"]);
    expect(offered("something new")).toEqual(["firn table health bronze.t"]);
  });

  it("forgets a failure that a later job of the same kind made good", () => {
    expect(attention({ ...none, jobs: [job("9", JobState.SUCCEEDED), job("8", JobState.FAILED)] })).toEqual([]);
    expect(attention({ ...none, jobs: [job("9", JobState.FAILED), job("8", JobState.SUCCEEDED)] })).toHaveLength(1);
  });
});

describe("excess files", () => {
  it("counts what compaction can take away, not the one small file of a small partition", () => {
    expect(excessFiles(create(HealthSchema, { smallFiles: 38n, partitions: 38n }))).toBe(0n);
    expect(excessFiles(create(HealthSchema, { smallFiles: 1190n, partitions: 38n }))).toBe(1152n);
    expect(excessFiles(create(HealthSchema, { smallFiles: 3n }))).toBe(2n);
    expect(excessFiles(undefined)).toBe(0n);
  });
});
