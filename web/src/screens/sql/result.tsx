import { Tabs } from "radix-ui";
import { useEffect, useState } from "react";
import type { SqlState } from "~/api/use-sql";
import type { ExplainResponse, TableScan } from "~/gen/firn/v1/query_pb";
import { bytes, count, duration, percent, plural, shortSnapshot } from "~/lake/format";
import { sideOf, sqlName, tableName } from "~/lake/name";
import { ArrowGrid } from "~/ui/arrow-grid";
import { TableLink } from "~/ui/go";
import { Code } from "~/ui/layout";
import { Empty, Fault, Waiting } from "~/ui/states";
import { Status } from "~/ui/status";

type Plan = { answer?: ExplainResponse; error?: unknown } | undefined;

/** What came of a query: its rows while they stream, what was scanned, its plan. */
export function Result({
  state,
  plan,
  tables,
  onExample,
}: {
  state: SqlState;
  plan: Plan;
  tables: readonly string[];
  onExample: (sql: string) => void;
}) {
  const [tab, setTab] = useState("rows");
  useEffect(() => setTab(plan ? "plan" : "rows"), [plan]);
  const scans = (plan ? plan.answer?.tables : state.header?.tables) ?? [];
  return (
    <Tabs.Root value={tab} onValueChange={setTab} className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-3 border-b border-line bg-surface px-4">
        <Tabs.List aria-label="Result" className="flex gap-1">
          {[
            ["rows", "Rows"],
            ["plan", "Plan"],
          ].map(([value, label]) => (
            <Tabs.Trigger
              key={value}
              value={value!}
              className="-mb-px h-9 border-b-2 border-transparent px-2 font-medium text-ink-2 hover:text-ink data-[state=active]:border-ice data-[state=active]:text-ink"
            >
              {label}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <StatusLine state={state} scans={scans} explained={plan !== undefined} />
      </div>
      <Tabs.Content value="rows" className="min-h-0 flex-1 bg-surface">
        <Rows state={state} tables={tables} onExample={onExample} />
      </Tabs.Content>
      <Tabs.Content value="plan" className="min-h-0 flex-1 overflow-auto p-4">
        <PlanView plan={plan} scans={scans} />
      </Tabs.Content>
    </Tabs.Root>
  );
}

function StatusLine({ state, scans, explained }: { state: SqlState; scans: readonly TableScan[]; explained: boolean }) {
  const files = scans.reduce((sum, scan) => sum + scan.files, 0n);
  const pruned = scans.reduce((sum, scan) => sum + scan.filesPruned, 0n);
  const size = scans.reduce((sum, scan) => sum + scan.bytes, 0n);
  return (
    <div
      role="status"
      className="num flex min-h-9 flex-1 flex-wrap items-center justify-end gap-x-4 text-xs text-ink-2"
    >
      {state.status === "running" && (
        <Status tone="busy">{state.rows > 0 ? `${count(state.rows)} rows so far` : "running"}</Status>
      )}
      {state.status === "cancelled" && (
        <Status tone="idle">cancelled{state.rows > 0 && ` after ${count(state.rows)} rows`}</Status>
      )}
      {state.stats && !explained && (
        <>
          <Status tone="good">
            <span data-result-rows={state.stats.rows.toString()}>{plural(state.stats.rows, "row")}</span>
          </Status>
          <span>{duration(state.stats.elapsedMs)}</span>
          <span>{bytes(state.stats.bytes)}</span>
          {state.stats.truncated && <Status tone="warn">cut at the limit</Status>}
        </>
      )}
      {scans.length > 0 && (
        <span>
          {plural(files, "file")} {explained ? "to read" : "read"}, {count(pruned)} pruned, {bytes(size)}
        </span>
      )}
    </div>
  );
}

function Rows({
  state,
  tables,
  onExample,
}: {
  state: SqlState;
  tables: readonly string[];
  onExample: (sql: string) => void;
}) {
  if (state.status === "failed") {
    return (
      <div className="p-4">
        <Fault error={state.error} doing="run the query" />
      </div>
    );
  }
  if (state.result && state.result.columns.length > 0) {
    if (state.rows === 0 && state.status === "done") return <Empty title="The query has no row." />;
    return <ArrowGrid result={state.result} rows={state.rows} label="Result" />;
  }
  if (state.status === "running") return <Waiting rows={8} />;
  const table = tables.find((name) => !sideOf(name) && name.startsWith("gold.")) ?? tables[0];
  return (
    <Empty title="Ask the lake.">
      <p>
        One SELECT in DuckDB's dialect over the tables on the right. It runs in a worker of its own, and can be
        cancelled.
      </p>
      {table && (
        <button
          type="button"
          className="link mt-2 font-mono"
          onClick={() => onExample(`SELECT *\nFROM ${sqlName(table)}\nLIMIT 100`)}
        >
          SELECT * FROM {table} LIMIT 100
        </button>
      )}
    </Empty>
  );
}

function PlanView({ plan, scans }: { plan: Plan; scans: readonly TableScan[] }) {
  if (plan?.error) return <Fault error={plan.error} doing="explain the query" />;
  if (plan && !plan.answer) return <Waiting />;
  if (scans.length === 0 && !plan) return <Empty title="Explain a query, or run one: what it scans is shown here." />;
  return (
    <div className="space-y-4">
      <table className="grid-table card overflow-hidden" aria-label="Tables that are read">
        <thead>
          <tr>
            <th scope="col">Table</th>
            <th scope="col">Snapshot</th>
            <th scope="col" className="text-right!">
              Files read
            </th>
            <th scope="col" className="text-right!">
              Pruned
            </th>
            <th scope="col" className="text-right!">
              Delete files
            </th>
            <th scope="col" className="text-right!">
              Size
            </th>
            <th scope="col" className="text-right!">
              Rows
            </th>
          </tr>
        </thead>
        <tbody className="num">
          {scans.map((scan) => {
            const name = tableName(scan.table);
            const all = scan.files + scan.filesPruned;
            return (
              <tr key={`${name}/${scan.snapshotId}`} className="h-9">
                <td>
                  <TableLink name={name} />
                </td>
                <td title={scan.snapshotId.toString()}>{shortSnapshot(scan.snapshotId)}</td>
                <td className="text-right">{count(scan.files)}</td>
                <td className="text-right">
                  {count(scan.filesPruned)}{" "}
                  <span className="text-ink-3">
                    ({all > 0n ? percent(Number(scan.filesPruned) / Number(all)) : "0 %"})
                  </span>
                </td>
                <td className="text-right">{count(scan.deleteFiles)}</td>
                <td className="text-right">{bytes(scan.bytes)}</td>
                <td className="text-right">{count(scan.rows)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {plan?.answer?.plan && <Code label="Plan">{plan.answer.plan}</Code>}
      {!plan && <p className="text-xs text-ink-3">Explain shows DuckDB's plan as well, without running the query.</p>}
    </div>
  );
}
