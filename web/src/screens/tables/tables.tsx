import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTables } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { TableSummary } from "~/gen/firn/v1/catalog_pb";
import { cli } from "~/lake/cli";
import { ago, bytes, count, millis, moment, plural } from "~/lake/format";
import { layerOf, sideOf, tableName } from "~/lake/name";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { FilterField, Select } from "~/ui/filters";
import { TableLink } from "~/ui/go";
import { ScreenHead } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { HealthBadge, LayerDot } from "~/ui/status";
import { Why } from "~/ui/why";
import { NamespaceTree } from "./tree";

export default function Tables() {
  const tables = useTables();
  const [filters] = useFilters();
  return (
    <div className="flex h-full min-h-0 flex-col">
      <Loaded query={tables} doing="list the tables" rows={14}>
        {(data) => <TableList tables={data.tables} filters={filters} />}
      </Loaded>
    </div>
  );
}

function TableList({ tables, filters }: { tables: TableSummary[]; filters: Record<string, string> }) {
  const [, setFilters] = useFilters();
  const navigate = useNavigate();
  const now = useNow();
  const { ns = "", q = "", side = "", health = "", sort = "name" } = filters;
  const shown = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return tables.filter((table) => {
      const name = tableName(table.table);
      if (ns && !name.startsWith(`${ns}.`)) return false;
      if (side !== "all" && sideOf(name)) return false;
      const score = table.health?.score ?? -1;
      if (health === "poor" && !(score >= 0 && score < 50)) return false;
      if (health === "unwell" && !(score >= 0 && score < 80)) return false;
      return words.every((word) => name.toLowerCase().includes(word));
    });
  }, [tables, ns, q, side, health]);
  const columns = useMemo(() => columnsAt(now), [now]);
  const sides = tables.filter((table) => sideOf(tableName(table.table))).length;
  return (
    <>
      <ScreenHead
        title="Tables"
        lead={`${plural(shown.length, "table")}${shown.length === tables.length ? "" : ` of ${count(tables.length)}`}, ${bytes(shown.reduce((sum, table) => sum + table.bytes, 0n))}`}
        actions={
          <>
            <FilterField value={q} onChange={(text) => setFilters({ q: text })} label="Filter tables" />
            <Select
              label="Health"
              value={health}
              onChange={(value) => setFilters({ health: value })}
              options={[
                { value: "", label: "Any health" },
                { value: "unwell", label: "Below 80" },
                { value: "poor", label: "Below 50" },
              ]}
            />
            <label className="flex h-[1.875rem] items-center gap-1.5 px-1 text-xs text-ink-2">
              <input
                type="checkbox"
                checked={side === "all"}
                onChange={(event) => setFilters({ side: event.target.checked ? "all" : undefined })}
                className="accent-ice"
              />
              side tables <span className="num text-ink-3">{sides}</span>
            </label>
            <CopyCli command={cli.tables()} />
          </>
        }
      />
      <div className="grid min-h-0 flex-1 gap-4 px-6 pb-6 xl:grid-cols-[11.5rem_minmax(0,1fr)]">
        <NamespaceTree tables={tables} value={ns} onChange={(value) => setFilters({ ns: value })} />
        <div className="card flex min-h-0 flex-col overflow-hidden">
          <DataTable
            label="Tables"
            className="flex-1"
            columns={columns}
            rows={shown}
            rowId={(table) => tableName(table.table)}
            sort={sort}
            onSort={(value) => setFilters({ sort: value })}
            onOpen={(table) =>
              void navigate({ to: "/tables/$table", params: { table: tableName(table.table) } } as never)
            }
            minWidth={900}
            empty={
              tables.length === 0 ? (
                <Empty title="No table yet. Send the first rows." command={cli.ingest("bronze.events")}>
                  Or create tables from Spark, Trino or PyIceberg: they see the same catalog.
                </Empty>
              ) : (
                <Empty title="No table is like that.">
                  <button
                    type="button"
                    className="link"
                    onClick={() => setFilters({ q: undefined, ns: undefined, health: undefined, side: "all" })}
                  >
                    Show all {count(tables.length)} tables
                  </button>
                </Empty>
              )
            }
          />
        </div>
      </div>
    </>
  );
}

function columnsAt(now: number): Col<TableSummary>[] {
  return [
    {
      id: "name",
      head: "Table",
      by: (table) => tableName(table.table),
      cell: (table) => {
        const name = tableName(table.table);
        const side = sideOf(name);
        return (
          <span className="flex min-w-0 items-center gap-2">
            <LayerDot layer={layerOf(name)} />
            <TableLink
              name={name}
              className={`truncate font-medium text-ink hover:underline ${side ? "font-normal" : ""}`}
            />
          </span>
        );
      },
    },
    {
      id: "health",
      head: "Health",
      width: "9rem",
      by: (table) => ((table.health?.score ?? -1) < 0 ? undefined : table.health?.score),
      cell: (table) => <HealthBadge health={table.health} />,
    },
    {
      id: "fresh",
      head: "Freshness",
      width: "6.5rem",
      by: (table) => millis(table.updatedAt),
      cell: (table) => (
        <span className="num text-ink-2" title={moment(table.updatedAt)}>
          {ago(table.updatedAt, now)}
        </span>
      ),
    },
    {
      id: "rows",
      head: "Rows",
      width: "6rem",
      align: "right",
      by: (table) => table.rows,
      cell: (table) => count(table.rows),
    },
    {
      id: "bytes",
      head: "Size",
      width: "5.5rem",
      align: "right",
      by: (table) => table.bytes,
      cell: (table) => bytes(table.bytes),
    },
    {
      id: "files",
      head: "Files",
      width: "5rem",
      align: "right",
      by: (table) => table.dataFiles,
      cell: (table) => (
        <Why
          plain
          focusable={false}
          text={`${plural(table.dataFiles, "data file")}, ${plural(table.health?.smallFiles ?? 0n, "small one")}, ${plural(table.deleteFiles, "delete file")}.`}
        >
          {count(table.dataFiles)}
          {table.deleteFiles > 0n && <span className="text-ink-3"> +{count(table.deleteFiles)}</span>}
        </Why>
      ),
    },
    {
      id: "average",
      head: "Average file",
      width: "6.5rem",
      align: "right",
      by: averageFile,
      cell: (table) => {
        const average = averageFile(table);
        return average === undefined ? "–" : bytes(average);
      },
    },
    {
      id: "snapshots",
      head: "Snapshots",
      width: "5.75rem",
      align: "right",
      by: (table) => table.snapshots,
      cell: (table) => count(table.snapshots),
    },
  ];
}

function averageFile(table: TableSummary): number | undefined {
  const known = table.health?.averageFileBytes ?? 0n;
  if (known > 0n) return Number(known);
  return table.dataFiles > 0n ? Math.round(Number(table.bytes) / Number(table.dataFiles)) : undefined;
}
