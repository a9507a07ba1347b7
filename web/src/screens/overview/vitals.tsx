import type { Event, TableSummary } from "~/gen/firn/v1/catalog_pb";
import type { ListJobsResponse } from "~/gen/firn/v1/maintenance_pb";
import type { QuarantineCount } from "~/gen/firn/v1/model_pb";
import { bytes, compact, count, duration, percent, plural } from "~/lake/format";
import { excessFiles } from "~/lake/health";
import { countOf } from "~/lake/jobs";
import { tableName } from "~/lake/name";
import { inflow as rowsIn } from "~/lake/rhythm";
import { Go } from "~/ui/go";
import { Bar, Card } from "~/ui/layout";
import { Status } from "~/ui/status";
import { Why } from "~/ui/why";

/** So many entries of the commit log are read at a time. */
export const EVENTS = 400;

/** Ingestion, small-file debt, jobs and quarantine, each with what it is made of. */
export function Vitals({
  tables,
  jobs,
  quarantine,
  events,
  now,
}: {
  tables: readonly TableSummary[];
  jobs: ListJobsResponse | undefined;
  quarantine: { counts: readonly QuarantineCount[]; total: bigint } | undefined;
  events: readonly Event[];
  now: number;
}) {
  const files = tables.reduce((sum, table) => sum + table.dataFiles, 0n);
  const small = tables.reduce((sum, table) => sum + excessFiles(table.health), 0n);
  const held = quarantine?.total;
  const worst = [...tables].sort((a, b) => Number(excessFiles(b.health) - excessFiles(a.health)))[0];
  const inflow = rowsIn(events, now, EVENTS);
  const running = countOf(jobs?.counts ?? {}, "running");
  const queued = countOf(jobs?.counts ?? {}, "queued");
  const failed = countOf(jobs?.counts ?? {}, "failed");
  return (
    <Card title="Vitals" flush>
      <dl className="divide-y divide-line">
        <Vital
          label="Rows in"
          why={
            inflow.cut
              ? `Rows of ingestion commits in the last ten minutes. The page reads the newest ${count(events.length)} entries of the commit log, and these do not reach back that far: there were more.`
              : "Rows of ingestion commits in the last ten minutes, from the commit log."
          }
          value={`${inflow.cut ? "≥ " : ""}${count(inflow.rows)}`}
          note={
            inflow.rows > 0n
              ? `${compact(inflow.perSecond)} rows/s over ${duration(inflow.overMs)}`
              : "none in the last ten minutes"
          }
          to="/ingest"
        />
        <Vital
          label="Small-file debt"
          why={
            small > 0n ? (
              <>
                Small files beyond one a partition: what compaction can take away. Each costs readers a request. Most of
                them: {tableName(worst?.table)} with {plural(excessFiles(worst?.health), "file")}.
              </>
            ) : (
              "Small files beyond one a partition: what compaction can take away. There is none."
            )
          }
          value={count(small)}
          note={
            <span className="flex items-center gap-2">
              <span className="w-20">
                <Bar
                  share={files > 0n ? Number(small) / Number(files) : 0}
                  label="Share of small files"
                  tone="bg-warn-fill"
                />
              </span>
              {files > 0n ? percent(Number(small) / Number(files)) : "0 %"} of {plural(files, "file")}
            </span>
          }
          to="/tables"
          search={{ sort: "health" }}
        />
        <Vital
          label="Jobs"
          why="Maintenance and promotions in the durable queue, by state, over all jobs it remembers."
          value={
            <span className="flex flex-wrap gap-x-3 text-sm leading-6">
              <Status tone={running > 0n ? "busy" : "idle"}>{count(running)} running</Status>
              {queued > 0n && <Status tone="idle">{count(queued)} queued</Status>}
              <Status tone={failed > 0n ? "bad" : "good"}>{count(failed)} failed</Status>
            </span>
          }
          note={`${count(countOf(jobs?.counts ?? {}, "succeeded"))} succeeded`}
          to="/jobs"
        />
        <Vital
          label="Quarantined"
          why={
            quarantine && quarantine.counts.length > 0 ? (
              <ul>
                <li className="mb-1">Rows; one that violates two rules is counted by both.</li>
                {quarantine.counts.slice(0, 6).map((entry) => (
                  <li key={`${entry.model}/${entry.rule}`} className="flex gap-3">
                    <span className="flex-1">
                      {entry.model} · {entry.rule}
                    </span>
                    <span className="num">{count(entry.rows)}</span>
                  </li>
                ))}
              </ul>
            ) : (
              "Rows that a rule left out and kept, with reason and payload."
            )
          }
          value={held === undefined ? "–" : count(held)}
          note={
            held === undefined
              ? "reading…"
              : held > 0n
                ? `by ${plural(quarantine?.counts.length ?? 0, "rule")}`
                : "no row is held back"
          }
          to="/quarantine"
        />
        <Vital
          label="Size on storage"
          why="Bytes of data and delete files that the heads of all tables refer to."
          value={bytes(tables.reduce((sum, table) => sum + table.bytes, 0n))}
          note={`${plural(files, "data file")}, ${bytes(files > 0n ? Number(tables.reduce((sum, table) => sum + table.bytes, 0n)) / Number(files) : 0)} on average`}
          to="/tables"
          search={{ sort: "-bytes" }}
        />
      </dl>
    </Card>
  );
}

function Vital({
  label,
  value,
  note,
  why,
  to,
  search,
}: {
  label: string;
  value: React.ReactNode;
  note: React.ReactNode;
  why: React.ReactNode;
  to: string;
  search?: Record<string, string>;
}) {
  return (
    <div className="px-4 py-2.5">
      <dt className="flex items-center">
        <span className="flex-1 text-xs text-ink-3">
          <Why text={why}>{label}</Why>
        </span>
        <Go to={to} search={search} className="link text-xs" aria-label={`Open: ${label}`}>
          open
        </Go>
      </dt>
      <dd>
        <div className="num text-base leading-7 font-semibold">{value}</div>
        <div className="text-xs text-ink-3">{note}</div>
      </dd>
    </div>
  );
}
