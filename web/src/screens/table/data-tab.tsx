import { RotateCw, SquareTerminal } from "lucide-react";
import { useCallback, useEffect } from "react";
import { useSql } from "~/api/use-sql";
import { useFilters } from "~/app/search";
import { cli } from "~/lake/cli";
import { count, duration, plural, shortSnapshot } from "~/lake/format";
import { parseTable, sqlName } from "~/lake/name";
import { ArrowGrid } from "~/ui/arrow-grid";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Select } from "~/ui/filters";
import { Go } from "~/ui/go";
import { Empty, Fault, Waiting } from "~/ui/states";
import { snapshotId } from "./files";
import { useTableName } from "./name";
import { SnapshotPicker } from "./snapshot-picker";

/** The first rows of the table, at the head or at any snapshot that is kept. */
export default function DataTab() {
  const name = useTableName();
  const [filters, setFilters] = useFilters();
  const { state, run } = useSql();
  const { snapshot = "", rows: limit = "100" } = filters;
  const sql = `SELECT * FROM ${sqlName(name)} LIMIT ${Number(limit) || 100}`;
  const read = useCallback(() => {
    const id = snapshotId(snapshot);
    run({
      sql,
      pins: id === 0n ? [] : [{ table: parseTable(name), at: { case: "snapshotId", value: id } }],
      maxRows: BigInt(Number(limit) || 100),
    });
  }, [run, sql, name, snapshot, limit]);
  useEffect(read, [read]);
  const scan = state.header?.tables[0];
  return (
    <div className="flex h-full min-h-96 flex-col gap-3">
      <div className="flex flex-wrap items-center gap-2">
        <SnapshotPicker table={name} value={snapshot} onChange={(value) => setFilters({ snapshot: value })} />
        <Select
          label="Rows"
          value={limit}
          onChange={(value) => setFilters({ rows: value === "100" ? undefined : value })}
          options={["100", "1000", "10000"].map((value) => ({ value, label: `${count(Number(value))} rows` }))}
        />
        <span className="num flex-1 text-xs text-ink-3">
          {state.status === "running" && "reading…"}
          {state.stats && `${plural(state.stats.rows, "row")} in ${duration(state.stats.elapsedMs)}`}
          {scan && `, snapshot ${shortSnapshot(scan.snapshotId)}`}
        </span>
        <Button kind="quiet" icon={<RotateCw aria-hidden className="size-3.5" />} onClick={read}>
          Read again
        </Button>
        <Go
          to="/sql"
          search={{ q: sql, ...(snapshot ? { at: `${name}@${snapshot}` } : {}) }}
          className="inline-flex h-[1.875rem] items-center gap-1.5 rounded-md border border-line-strong bg-surface px-2.5 font-medium hover:border-ink-3 hover:bg-raised"
        >
          <SquareTerminal aria-hidden className="size-3.5" />
          Open in SQL
        </Go>
        <CopyCli command={cli.sql(sql, snapshot ? `${name}=${snapshot}` : "")} />
      </div>
      {state.status === "failed" && (
        <div className="space-y-2">
          <Fault error={state.error} doing={`read ${name}`} retry={read} />
          {snapshot && (
            <button type="button" className="link" onClick={() => setFilters({ snapshot: undefined })}>
              Read the head instead of snapshot {snapshot}
            </button>
          )}
        </div>
      )}
      {state.status !== "failed" && (
        <div className="card min-h-0 flex-1 overflow-hidden">
          {state.result && state.rows > 0 ? (
            <ArrowGrid result={state.result} rows={state.rows} label={`Rows of ${name}`} />
          ) : state.status === "running" ? (
            <Waiting rows={8} />
          ) : (
            <Empty title="The table has no row here." command={cli.ingest(name)} />
          )}
        </div>
      )}
    </div>
  );
}
