import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import * as arrow from "@uwdata/flechette";
import { CatalogService, TableSummarySchema } from "~/gen/firn/v1/catalog_pb";
import { IngestService } from "~/gen/firn/v1/ingest_pb";
import {
  FiringOutcome,
  JobSchema,
  JobState,
  MaintenanceService,
  ScheduleFaultSchema,
} from "~/gen/firn/v1/maintenance_pb";
import { ModelService } from "~/gen/firn/v1/model_pb";
import { QueryService } from "~/gen/firn/v1/query_pb";
import { tableName } from "~/lake/name";
import * as lake from "./lake";
import { at, MINUTE } from "./lake/base";

const rest = (ms: number) => new Promise((done) => setTimeout(done, ms));

function summaryOf(name: string) {
  const found = lake.tables.find((entry) => tableName(entry.table as never) === name);
  if (!found) throw new ConnectError(`table ${name} does not exist`, Code.NotFound);
  return create(TableSummarySchema, found);
}

function ipc(rows: number, from: number): Uint8Array {
  const index = Array.from({ length: rows }, (_, i) => i + from);
  const table = arrow.tableFromArrays(
    {
      country: index.map((i) => ["United Kingdom", "France", "Germany"][i % 3]),
      row_no: index.map((i) => BigInt(i)),
      amount: index.map((i) => (i % 17 === 0 ? null : i * 1.375)),
      at: index.map((i) => Date.UTC(2010, 11, 1) + i * 60_000),
    },
    {
      types: {
        country: arrow.utf8(),
        row_no: arrow.int64(),
        amount: arrow.decimal(18, 3, 128),
        at: arrow.timestamp(arrow.TimeUnit.MICROSECOND),
      },
      maxBatchRows: 500,
    },
  );
  return arrow.tableToIPC(table, { format: "stream" })!;
}

/** All services over the lake in memory. */
export const transport = createRouterTransport(({ service }) => {
  service(CatalogService, {
    listNamespaces: () => ({ namespaces: [{ levels: ["bronze"] }, { levels: ["silver"] }, { levels: ["gold"] }] }),
    listTables: () => ({
      tables: new URLSearchParams(globalThis.location?.search).has("many")
        ? [...lake.tables, ...lake.manyTables(10_000)]
        : lake.tables,
    }),
    getTable: (request) => ({
      summary: summaryOf(tableName(request.table)),
      columns: lake.columns,
      partitionBy: [{ name: "contributor", source: "contributor", transform: "identity" }],
      sortBy: ["row_no"],
      partitions: lake.partitions,
      schemas: [
        { id: 0, columns: lake.columns.slice(0, -1) },
        { id: 1, columns: lake.columns },
      ],
      refs: [{ name: "main", type: "branch", snapshotId: lake.bronzeHead }],
      metadataLocation: "s3://firn/default/5a0c1f1e/metadata/00188.metadata.json",
    }),
    listSnapshots: () => ({ snapshots: lake.snapshots, total: 188n }),
    listFiles: () => ({
      files: lake.files,
      total: 1204n,
      histogram: lake.histogram,
      targetBytes: 128n * 1024n * 1024n,
    }),
    listEvents: () => ({ events: lake.events }),
    getConnect: (request) => ({
      language: request.engine === "duckdb" ? "sql" : "python",
      text: `# ${request.engine}\nfrom pyiceberg.catalog import load_catalog\n\ncatalog = load_catalog("firn", uri="http://127.0.0.1:8181")\ntable = catalog.load_table("${tableName(request.table)}")\nprint(table.scan(limit=10).to_arrow())`,
    }),
  });
  service(MaintenanceService, {
    listJobs: (request) => {
      const jobs = lake.jobs.filter((job) => request.states.length === 0 || request.states.includes(job.state!));
      const counts: Record<string, bigint> = {};
      for (const job of lake.jobs) {
        const name = JobState[job.state!].toLowerCase();
        counts[name] = (counts[name] ?? 0n) + 1n;
      }
      return { jobs, counts };
    },
    getJob: (request) => ({ job: lake.jobs.find((job) => job.id === request.id)! }),
    planJobs: () => ({
      groups: [
        {
          tier: "fuse",
          files: 640n,
          bytes: 38_000_000n,
          reason: "640 files below 24 MiB, same schema and codec",
          partition: [{ name: "contributor", value: "United Kingdom" }],
        },
      ],
      whyNot: "37 partitions have fewer than 16 small files: they wait for more",
    }),
    submitJob: (request) => ({
      job: create(JobSchema, {
        id: "0193a7e0-0000-7000-8000-000000000009",
        kind: request.kind,
        state: JobState.QUEUED,
        ...(request.table ? { table: request.table } : {}),
      }),
    }),
    cancelJob: () => ({}),
    retryJob: () => ({}),
    listSchedules: () => ({ schedules: lake.schedules }),
    getSchedule: (request) => {
      const schedule = lake.schedules.find((entry) => entry.name === request.name);
      if (!schedule) throw new ConnectError(`schedule ${request.name} does not exist`, Code.NotFound);
      return { schedule };
    },
    putSchedule: (request) => {
      const { schedule } = request;
      if (!schedule?.cron.includes(" ")) {
        throw new ConnectError(`cron "${schedule?.cron}" cannot be read`, Code.InvalidArgument, undefined, [
          {
            desc: ScheduleFaultSchema,
            value: { field: "cron", what: `cron "${schedule?.cron}" cannot be read`, why: "expected 5 to 6 fields" },
          },
        ]);
      }
      return { schedule: { ...schedule, upcoming: [15, 39, 63, 87, 111].map((hours) => at(-hours * 60 * MINUTE)) } };
    },
    deleteSchedule: () => ({}),
    pauseSchedule: () => ({}),
    resumeSchedule: () => ({}),
    runSchedule: () => ({ firing: { outcome: FiringOutcome.FIRED, count: 1n, jobsMade: 1 } }),
    getPolicy: () => ({ settings: lake.policy, limits: lake.limits }),
  });
  service(ModelService, {
    getGraph: () => lake.graph,
    listRuns: (request) => ({ runs: lake.runs.filter((run) => !request.model || run.model === request.model) }),
    getRun: (request) => {
      const run = lake.runs.find((entry) => entry.id === request.id);
      if (!run) throw new ConnectError(`run ${request.id} does not exist`, Code.NotFound);
      return { run };
    },
    async *run() {
      for (const run of lake.runs) {
        await rest(600);
        yield { run };
      }
    },
    listQuarantine: (request) => {
      const rows = lake.quarantine.filter(
        (row) =>
          (!request.model || row.model === request.model) && (!request.rule || row.reasons.includes(request.rule)),
      );
      return {
        rows: rows.slice(request.offset, request.offset + (request.limit || 100)),
        counts: lake.quarantineCounts,
        total: BigInt(rows.length),
      };
    },
  });
  service(IngestService, { listChannels: () => ({ channels: lake.channels }) });
  service(QueryService, {
    async *query(request) {
      if (/\bbroken\b/.test(request.sql))
        throw new ConnectError('Binder Error: column "broken" is not in table invoice_lines_raw', Code.InvalidArgument);
      const rows = Math.min(Number(request.maxRows || 5000n), 5000);
      yield {
        part: {
          case: "header",
          value: {
            tables: [
              {
                table: { namespace: ["bronze"], name: "invoice_lines_raw" },
                snapshotId: lake.bronzeHead,
                files: 640n,
                filesPruned: 564n,
                bytes: 38_000_000n,
                rows: 495478n,
              },
            ],
          },
        },
      };
      const bytes = ipc(rows, 0);
      for (let from = 0; from < bytes.length; from += 20_000) {
        await rest(20);
        yield { part: { case: "arrowIpc", value: bytes.subarray(from, from + 20_000) } };
      }
      yield {
        part: {
          case: "stats",
          value: { rows: BigInt(rows), bytes: BigInt(bytes.length), elapsedMs: 184, truncated: rows >= 5000 },
        },
      };
    },
    explain: () => ({
      tables: [
        {
          table: { namespace: ["bronze"], name: "invoice_lines_raw" },
          snapshotId: lake.bronzeHead,
          files: 640n,
          filesPruned: 564n,
          bytes: 38_000_000n,
          rows: 495478n,
        },
      ],
      plan: "┌───────────────────────────┐\n│       HASH_GROUP_BY       │\n└─────────────┬─────────────┘\n┌─────────────┴─────────────┐\n│        READ_PARQUET       │\n└───────────────────────────┘",
    }),
  });
});
