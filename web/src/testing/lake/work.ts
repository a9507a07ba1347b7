import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  FiringOutcome,
  JobKind,
  type JobSchema,
  JobState,
  MissedPolicy,
  OutsidePolicy,
  OverlapPolicy,
  type PolicyLimitSchema,
  type PolicySettingSchema,
  type ScheduleSchema,
} from "~/gen/firn/v1/maintenance_pb";
import { type RunSchema, RunState } from "~/gen/firn/v1/model_pb";
import { parseTable } from "~/lake/name";
import { at, bronzeHead, MIB, MINUTE, runId } from "./base";

export const jobs: MessageInitShape<typeof JobSchema>[] = [
  {
    id: "0193a7d0-0001-7000-8000-000000000001",
    kind: JobKind.COMPACT,
    state: JobState.RUNNING,
    table: parseTable("bronze.invoice_lines_raw"),
    trigger: "commit",
    reason: "1,190 small files in 38 partitions; 98 % of the files are below 24 MiB",
    createdAt: at(9000),
    startedAt: at(7000),
    attempt: 1,
    tier: "fuse",
    progress: {
      step: "write",
      doneBytes: BigInt(24 * MIB),
      totalBytes: BigInt(40 * MIB),
      remaining: { seconds: 5n },
      bytesPerSecond: BigInt(3 * MIB),
    },
    worker: "a41f09c2b7d1",
    fencingToken: 1n,
    filesIn: 1190n,
    bytesIn: BigInt(40 * MIB),
  },
  {
    id: "0193a7d0-0002-7000-8000-000000000002",
    kind: JobKind.PROMOTE,
    state: JobState.QUEUED,
    model: "gold.customer_value",
    trigger: "commit",
    reason: "silver.invoice_lines is 1 commit ahead",
    createdAt: at(3000),
    attempt: 0,
  },
  {
    id: "0193a7d0-0003-7000-8000-000000000003",
    kind: JobKind.COMPACT,
    state: JobState.FAILED,
    table: parseTable("silver.invoice_lines"),
    trigger: "schedule",
    reason: "nightly",
    createdAt: at(50 * MINUTE),
    startedAt: at(50 * MINUTE),
    endedAt: at(49 * MINUTE),
    attempt: 3,
    tier: "rewrite",
    error:
      "rewrite group 2 of 4: worker reached its memory limit of 256 MiB; raise compactor.memory or lower compactor.group_bytes",
    filesIn: 31n,
    bytesIn: BigInt(18 * MIB),
  },
  ...Array.from({ length: 14 }, (_, i) => ({
    id: `0193a7c0-${String(i).padStart(4, "0")}-7000-8000-00000000000a`,
    kind: i % 4 === 3 ? JobKind.EXPIRE : JobKind.COMPACT,
    state: i === 6 ? JobState.CANCELLED : JobState.SUCCEEDED,
    table: parseTable(i % 2 ? "silver.invoice_lines" : "bronze.invoice_lines_raw"),
    trigger: i % 3 ? "commit" : "request",
    reason: "260 small files in 38 partitions",
    createdAt: at((i + 1) * 5 * MINUTE),
    startedAt: at((i + 1) * 5 * MINUTE - 200),
    endedAt: at((i + 1) * 5 * MINUTE - 2200),
    attempt: 1,
    tier: i % 2 ? "rewrite" : "fuse",
    filesIn: 260n,
    filesOut: 8n,
    bytesIn: BigInt(9 * MIB),
    bytesOut: BigInt(8 * MIB - i * 40_000),
    rows: 90210n,
    snapshotId: 7919191919191n,
    proof: { "rows in": "90,210", "rows out": "90,210", "row hash": "equal (a41f…09c2)" },
  })),
];

export const schedules: MessageInitShape<typeof ScheduleSchema>[] = [
  {
    name: "nightly",
    cron: "0 2 * * *",
    timeZone: "Europe/Berlin",
    kind: JobKind.COMPACT,
    table: { namespace: ["bronze"], name: "" },
    windows: ["22:00-06:00"],
    outside: OutsidePolicy.WAIT,
    overlap: OverlapPolicy.SKIP,
    missed: MissedPolicy.ONCE,
    lastFired: at(9 * 60 * MINUTE),
    nextFire: at(-15 * 60 * MINUTE),
    upcoming: [15, 39, 63, 87, 111].map((hours) => at(-hours * 60 * MINUTE)),
    firings: [
      {
        due: at(9 * 60 * MINUTE),
        until: at(9 * 60 * MINUTE),
        count: 1n,
        at: at(9 * 60 * MINUTE),
        outcome: FiringOutcome.FIRED,
        jobs: ["0193a7c0-0000-7000-8000-00000000000a", "0193a7c0-0001-7000-8000-00000000000a"],
        jobsMade: 2,
        leftOut: 1,
      },
      {
        due: at(81 * 60 * MINUTE),
        until: at(33 * 60 * MINUTE),
        count: 3n,
        at: at(32 * 60 * MINUTE),
        outcome: FiringOutcome.SKIPPED,
        reason: "missed: no process looked at it in time (missed: once)",
      },
    ],
  },
  {
    name: "from-before",
    broken: "its record in the store cannot be read: unexpected end of JSON input",
  },
  {
    name: "weekend-expiry",
    cron: "*/30 * * * *",
    kind: JobKind.EXPIRE,
    windows: ["sat,sun 00:00-24:00"],
    outside: OutsidePolicy.WAIT,
    overlap: OverlapPolicy.QUEUE,
    missed: MissedPolicy.SKIP,
    nextFire: at(-20 * 60 * MINUTE),
    waiting: [{ due: at(30 * MINUTE), waitsFor: "window" }],
  },
  {
    name: "gold-hourly",
    cron: "@hourly",
    kind: JobKind.PROMOTE,
    model: "gold.customer_value",
    overlap: OverlapPolicy.REPLACE,
    missed: MissedPolicy.ALL,
    paused: true,
  },
];

const sql = `/*---
kind: model
name: silver.invoice_lines
materialize:
  mode: upsert
  key: [fingerprint]
  keep: latest
  order_by: [row_no]
rules:
  - { name: price_positive,    expr: "UnitPrice > 0",                on_fail: quarantine }
  - { name: not_an_adjustment, expr: "InvoiceNo NOT LIKE 'A%'",      on_fail: quarantine }
  - { name: quantity_nonzero,  expr: "Quantity <> 0",                on_fail: quarantine }
  - { name: customer_known,    expr: "customer_id IS NOT NULL",      on_fail: warn }
---*/
SELECT InvoiceNo                       AS invoice_no,
       StockCode                       AS stock_code,
       Description                     AS description,
       CAST(Quantity AS BIGINT)        AS quantity,
       CAST(InvoiceDate AS TIMESTAMP)  AS invoice_ts,
       CAST(UnitPrice AS DECIMAL(12,3)) AS unit_price,
       CAST(CustomerID AS BIGINT)      AS customer_id,
       Country                         AS country,
       InvoiceNo LIKE 'C%'             AS is_cancellation
FROM bronze.invoice_lines_raw`;

export const graph = {
  nodes: [
    { name: "bronze.invoice_lines_raw", layer: "bronze", mode: "source", rows: 541909n },
    {
      name: "silver.invoice_lines",
      layer: "silver",
      mode: "upsert",
      rows: 534120n,
      quarantined: 2521n,
      lastRun: at(22_000),
      state: RunState.SUCCEEDED,
      sql,
      definitionHash: "b1946ac92492d234",
    },
    {
      name: "gold.daily_sales_by_country",
      layer: "gold",
      mode: "aggregate",
      rows: 2081n,
      lastRun: at(19_000),
      state: RunState.SUCCEEDED,
      sql: "SELECT CAST(invoice_ts AS DATE) AS business_date, country, count(*) AS lines\nFROM silver.invoice_lines\nGROUP BY ALL",
      definitionHash: "9b74c9897bac770f",
    },
    {
      name: "gold.customer_value",
      layer: "gold",
      mode: "aggregate",
      rows: 4372n,
      lastRun: at(14 * MINUTE),
      state: RunState.UP_TO_DATE,
      pendingRows: 4516n,
      sql: "SELECT customer_id, sum(amount) AS net_gbp\nFROM silver.invoice_lines\nWHERE customer_id IS NOT NULL\nGROUP BY ALL",
      definitionHash: "7c211433f0207159",
    },
  ],
  edges: [
    {
      from: "bronze.invoice_lines_raw",
      to: "silver.invoice_lines",
      read: 541909n,
      published: 534120n,
      superseded: 5268n,
      quarantined: 2521n,
    },
    { from: "silver.invoice_lines", to: "gold.daily_sales_by_country", read: 539388n, published: 2081n },
    { from: "silver.invoice_lines", to: "gold.customer_value", read: 534872n, published: 4372n, dropped: 135080n },
  ],
};

const steps = [
  ["plan", 41],
  ["read", 610],
  ["transform", 1240],
  ["gate", 230],
  ["write", 890],
  ["commit", 62],
].map(([name, elapsedMs]) => ({ name: name as string, elapsedMs: elapsedMs as number }));
export const runs: MessageInitShape<typeof RunSchema>[] = [
  {
    id: runId,
    model: "silver.invoice_lines",
    state: RunState.SUCCEEDED,
    startedAt: at(25_000),
    endedAt: at(22_000),
    sources: [{ table: "bronze.invoice_lines_raw", fromSnapshotId: 7919191919191n, toSnapshotId: bronzeHead }],
    read: 45160n,
    liveBefore: 489480n,
    liveAfter: 534120n,
    superseded: 310n,
    quarantined: 210n,
    warned: 11200n,
    byRule: { price_positive: 207n, quantity_nonzero: 3n, customer_known: 11200n },
    snapshotId: 77001n,
    definitionHash: "b1946ac92492d234",
    steps,
    rowsWritten: 44640n,
  },
  {
    id: "0193a7c2-aaaa-7b11-9d55-2f7d8f0a6c02",
    model: "gold.daily_sales_by_country",
    state: RunState.SUCCEEDED,
    startedAt: at(20_000),
    endedAt: at(19_000),
    groups: 131n,
    sources: [{ table: "silver.invoice_lines", fromSnapshotId: 76001n, toSnapshotId: 77001n }],
    read: 44950n,
    steps: steps.slice(0, 4),
    rowsWritten: 131n,
    snapshotId: 91n,
  },
  {
    id: "0193a7c2-bbbb-7b11-9d55-2f7d8f0a6c03",
    model: "gold.customer_value",
    state: RunState.FAILED,
    startedAt: at(15 * MINUTE),
    endedAt: at(15 * MINUTE - 900),
    error: "rule grain_unique: 2 groups have more than one row; nothing was committed, the watermark stays",
    steps: steps.slice(0, 4),
    sources: [{ table: "silver.invoice_lines", fromSnapshotId: 76001n, toSnapshotId: 77001n }],
  },
];

export const policy: MessageInitShape<typeof PolicySettingSchema>[] = [
  { key: "firn.compact.enabled", value: "true", origin: "default" },
  { key: "write.target-file-size-bytes", value: "33554432", origin: "table property" },
  { key: "firn.compact.quiet", value: "10s", origin: "default" },
  { key: "firn.compact.growth", value: "lots", origin: "namespace bronze", problem: "want a number from 1 to 1e+09" },
  { key: "firn.compact.windows", value: "22:00-06:00 in Europe/Berlin", origin: "warehouse" },
  { key: "firn.compact.budget-bytes-per-hour", value: "10737418240", origin: "warehouse" },
  { key: "history.expire.max-snapshot-age-ms", value: "432000000", origin: "default" },
];

export const limits: MessageInitShape<typeof PolicyLimitSchema>[] = [
  {
    key: "firn.compact.budget-bytes-per-hour",
    origin: "warehouse",
    limit: 10737418240n,
    used: 10801418240n,
    frees: at(-20 * MINUTE),
  },
];
