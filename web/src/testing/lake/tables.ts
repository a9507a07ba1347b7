import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SnapshotSchema, TableSummarySchema } from "~/gen/firn/v1/catalog_pb";
import { parseTable } from "~/lake/name";
import { at, bronzeHead, countries, KIB, MIB, MINUTE } from "./base";

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
