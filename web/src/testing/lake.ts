import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SnapshotSchema, TableSummarySchema } from "~/gen/firn/v1/catalog_pb";
import { JobKind, type JobSchema, JobState } from "~/gen/firn/v1/job_pb";
import { type RunSchema, RunState } from "~/gen/firn/v1/model_pb";
import { parseTable } from "~/lake/name";

/**
 * A small lake in memory, in the shape of the retail demo: what tests and
 * `npm run dev:fake` show the screens with. Its numbers are made up.
 */
export const now = Date.now();
const at = (agoMs: number) => timestampFromMs(now - agoMs);
const MINUTE = 60_000;
const KIB = 1024;
const MIB = 1024 * KIB;

export const runId = "0193a7c2-4f1e-7b11-9d55-2f7d8f0a6c01";
export const bronzeHead = 8123456789012345678n;

type Summary = MessageInitShape<typeof TableSummarySchema>;

function table(name: string, part: Omit<Summary, "table">): Summary {
  return {
    table: parseTable(name),
    uuid: "5a0c1f1e-8f5e-4c1b-8d5e-0a6f3c2b1d00",
    formatVersion: 2,
    location: `s3://firn/${name}`,
    ...part,
  } as Summary;
}

const healthy = {
  score: 97,
  reasons: [{ code: "snapshots", points: 3, message: "58 snapshots; retention keeps 200" }],
  averageFileBytes: BigInt(24 * MIB),
  skew: 1.4,
  partitions: 38n,
};

export const tables: Summary[] = [
  table("bronze.invoice_lines_raw", {
    snapshotId: bronzeHead,
    snapshots: 188n,
    updatedAt: at(4_000),
    rows: 541909n,
    dataFiles: 1204n,
    bytes: BigInt(41 * MIB),
    health: {
      score: 43,
      smallFiles: 1190n,
      averageFileBytes: BigInt(35 * KIB),
      skew: 412.7,
      partitions: 38n,
      reasons: [
        {
          code: "small_files",
          points: 41,
          message: "1,190 of 1,204 files are below 24 MiB; the average is 35 KiB, the target 128 MiB",
        },
        {
          code: "skew",
          points: 16,
          message: "contributor=United Kingdom holds 91.4 % of the bytes, 412.7 times the median partition",
        },
      ],
    },
  }),
  table("silver.invoice_lines", {
    snapshotId: 77001n,
    snapshots: 58n,
    updatedAt: at(22_000),
    rows: 534120n,
    dataFiles: 12n,
    deleteFiles: 3n,
    bytes: BigInt(19 * MIB),
    health: healthy,
  }),
  table("silver.invoice_lines__quarantine", {
    snapshotId: 77001n,
    snapshots: 58n,
    updatedAt: at(22_000),
    rows: 2521n,
    dataFiles: 41n,
    bytes: BigInt(320 * KIB),
    health: {
      score: 71,
      smallFiles: 41n,
      averageFileBytes: BigInt(8 * KIB),
      skew: 1,
      partitions: 1n,
      reasons: [{ code: "small_files", points: 29, message: "41 of 41 files are below 24 MiB" }],
      whyNot: "41 small files are below the threshold of 64",
    },
  }),
  table("silver.invoice_lines__changes", {
    snapshotId: 77001n,
    snapshots: 58n,
    updatedAt: at(22_000),
    rows: 545000n,
    dataFiles: 58n,
    bytes: BigInt(30 * MIB),
    health: { score: 84, reasons: [{ code: "small_files", points: 16, message: "58 files" }] },
  }),
  table("gold.daily_sales_by_country", {
    snapshotId: 91n,
    snapshots: 40n,
    updatedAt: at(19_000),
    rows: 2081n,
    dataFiles: 1n,
    bytes: BigInt(88 * KIB),
    health: { ...healthy, score: 100, reasons: [] },
  }),
  table("gold.customer_value", {
    snapshotId: 92n,
    snapshots: 40n,
    updatedAt: at(14 * MINUTE),
    rows: 4372n,
    dataFiles: 1n,
    bytes: BigInt(120 * KIB),
    health: { ...healthy, score: -1, reasons: [] },
  }),
];

/** Thousands of tables, for what must stay fast with them. */
export function manyTables(n: number): Summary[] {
  return Array.from({ length: n }, (_, i) =>
    table(`landing_${i % 40}.events_${String(i).padStart(5, "0")}`, {
      rows: BigInt(i * 977),
      dataFiles: BigInt(i % 300),
      bytes: BigInt(i) * 90_000n,
      updatedAt: at(i * 1000),
      health: { score: (i * 37) % 101 },
    }),
  );
}

export const columns = [
  "contributor string",
  "row_no long",
  "InvoiceNo string",
  "StockCode string",
  "Description string",
  "Quantity long",
  "InvoiceDate timestamp",
  "UnitPrice double",
  "CustomerID double",
  "Country string",
  "_ingested_at timestamptz",
].map((text, index) => ({
  id: index + 1,
  name: text.split(" ")[0]!,
  type: text.split(" ")[1]!,
  required: index < 2,
  doc: index === 1 ? "Position in the source file, from 0" : "",
}));

const countries = [
  "United Kingdom",
  "Germany",
  "France",
  "EIRE",
  "Spain",
  "Netherlands",
  "Belgium",
  "Switzerland",
  "Portugal",
  "Australia",
  "Norway",
  "Italy",
  "Channel Islands",
  "Finland",
  "Cyprus",
  "Sweden",
  "Unspecified",
  "Austria",
  "Denmark",
  "Japan",
  "Poland",
  "Israel",
  "USA",
  "Hong Kong",
  "Singapore",
  "Iceland",
  "Canada",
  "Greece",
  "Malta",
  "United Arab Emirates",
  "European Community",
  "RSA",
  "Lebanon",
  "Lithuania",
  "Brazil",
  "Czech Republic",
  "Bahrain",
  "Saudi Arabia",
];
export const partitions = countries.map((country, index) => {
  const rows = index === 0 ? 495478 : Math.round(9495 / (index + 0.3) ** 1.15);
  return {
    values: [{ name: "contributor", value: country }],
    files: BigInt(index === 0 ? 640 : 15),
    smallFiles: BigInt(index === 0 ? 630 : 15),
    bytes: BigInt(rows * 78),
    rows: BigInt(rows),
    share: rows / 541909,
  };
});

export const histogram = [
  [16 * KIB, 540],
  [32 * KIB, 380],
  [64 * KIB, 190],
  [128 * KIB, 60],
  [256 * KIB, 14],
  [512 * KIB, 6],
  [MIB, 4],
  [2 * MIB, 4],
  [4 * MIB, 3],
  [8 * MIB, 2],
  [16 * MIB, 1],
  [32 * MIB, 0],
  [64 * MIB, 0],
  [128 * MIB, 0],
  [256 * MIB, 0],
  [0, 0],
].map(([below, files]) => ({
  below: BigInt(below!),
  files: BigInt(files!),
  bytes: BigInt(Math.round((below || 0) * 0.7 * files!)),
}));

export const files = Array.from({ length: 500 }, (_, i) => ({
  path: `s3://firn/default/5a0c1f1e/data/contributor=${countries[i % 38]}/0193a7c2-${String(i).padStart(6, "0")}.parquet`,
  content: i % 80 === 79 ? "position-deletes" : "data",
  partition: [{ name: "contributor", value: countries[i % 38]! }],
  rows: BigInt(40 + ((i * 7919) % 900)),
  bytes: BigInt(6000 + ((i * 104729) % 90000)),
  sequenceNumber: BigInt(1 + (i % 188)),
}));

export const snapshots: MessageInitShape<typeof SnapshotSchema>[] = Array.from({ length: 120 }, (_, i) => {
  const sequence = 120 - i;
  const compaction = sequence % 30 === 0;
  const before = Math.floor(sequence / 30);
  return {
    snapshotId: i === 0 ? bronzeHead : BigInt(sequence) * 7919191919191n,
    parentId: BigInt(sequence - 1) * 7919191919191n,
    sequenceNumber: BigInt(sequence),
    committedAt: at(4000 + i * 2100),
    operation: compaction ? "replace" : "append",
    refs: i === 0 ? ["main"] : sequence === 64 ? ["wm-silver.invoice_lines"] : [],
    summary: {
      "added-records": String(compaction ? 9000 : 4516),
      ...(compaction
        ? { "deleted-records": "9000", "deleted-data-files": "260", "added-data-files": "8" }
        : { "added-data-files": "10" }),
      "total-records": String(sequence * 4516),
      "total-data-files": String((sequence - before) * 10 - before * 252),
      "total-files-size": String(sequence * 350_000),
      "firn.actor": compaction ? "compactor" : "ingest",
    },
  };
});

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
    progress: { step: "write", doneBytes: BigInt(24 * MIB), totalBytes: BigInt(40 * MIB) },
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

const rules = ["price_positive", "price_positive", "price_positive", "not_an_adjustment", "quantity_nonzero"];
export const quarantine = Array.from({ length: 300 }, (_, i) => ({
  model: "silver.invoice_lines",
  reasons: i % 25 === 0 ? ["price_positive", "quantity_nonzero"] : [rules[i % 5]!],
  runId,
  sourceSnapshotId: bronzeHead,
  sourceTable: "bronze.invoice_lines_raw",
  rowId: `${countries[i % 9]}/${622 + i * 13}`,
  status: "open",
  payload: JSON.stringify({
    contributor: countries[i % 9],
    row_no: 622 + i * 13,
    InvoiceNo: String(536414 + i),
    StockCode: "22139",
    Description: i % 3 ? "RETROSPOT TEA SET CERAMIC 11 PC" : null,
    Quantity: 56,
    InvoiceDate: "2010-12-01T11:52:00Z",
    UnitPrice: 0,
    CustomerID: null,
    Country: countries[i % 9],
  }),
  quarantinedAt: at(22_000 + i * 900),
  lane: countries[i % 9]!,
}));
export const quarantineCounts = [
  { model: "silver.invoice_lines", rule: "price_positive", rows: 2517n },
  { model: "silver.invoice_lines", rule: "not_an_adjustment", rows: 3n },
  { model: "silver.invoice_lines", rule: "quantity_nonzero", rows: 1n },
];

export const channels = countries.map((country, i) => ({
  table: parseTable("bronze.invoice_lines_raw"),
  channel: country.replaceAll(" ", "_"),
  epoch: BigInt(1 + (i % 3)),
  nextOffset: partitions[i]!.rows,
  lastToken: `batch-${120 + i}`,
  snapshotId: bronzeHead,
  updatedAt: at(4000 + i * i * 700),
  duplicates: BigInt(i % 7 === 0 ? i : 0),
}));

export const events = snapshots.slice(0, 80).map((snapshot, i) => ({
  position: String(1000 - i),
  at: snapshot.committedAt!,
  kind: "commit",
  table: parseTable(i % 5 === 2 ? "silver.invoice_lines" : "bronze.invoice_lines_raw"),
  snapshotId: snapshot.snapshotId!,
  operation: snapshot.operation!,
  actor: i % 5 === 2 ? "promote:silver.invoice_lines" : snapshot.operation === "replace" ? "compactor" : "ingest",
  summary: snapshot.summary!,
}));
