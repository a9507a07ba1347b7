import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTables } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { TableSummary } from "~/gen/firn/v1/catalog_pb";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { bytes, count, plural } from "~/lake/format";
import { layerOf, sideOf, tableName } from "~/lake/name";
import { agoCol, bytesCol, countCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { TableLink } from "~/ui/go";
import { Choice, ListCard, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import { Empty } from "~/ui/states";
import { HealthBadge, LayerDot } from "~/ui/status";
import { Why } from "~/ui/why";
import { NamespaceTree } from "./tree";

export default function Tables() {
  const query = useTables();
  const [filters, setFilters] = useFilters();
  const navigate = useNavigate();
  const now = useNow();
  const { ns = "", q = "", side = "", health = "" } = filters;
  const all = useMemo(() => query.data?.tables ?? [], [query.data]);
  // Without side tables, unless somebody asks for them: the tree counts the same.
  const tables = useMemo(
    () => (side === "all" ? all : all.filter((table) => !sideOf(tableName(table.table)))),
    [all, side],
  );
  const shown = useMemo(() => {
    const below = { poor: 50, unwell: 80 }[health] ?? Number.POSITIVE_INFINITY;
    const wanted = tables.filter((table) => {
      const score = table.health?.score ?? -1;
      if (ns && !tableName(table.table).startsWith(`${ns}.`)) return false;
      return below === Number.POSITIVE_INFINITY || (score >= 0 && score < below);
    });
    return matching(wanted, q, (table) => tableName(table.table));
  }, [tables, ns, q, health]);
  const columns = useMemo(() => columnsAt(now), [now]);
  const sides = useMemo(() => all.filter((table) => sideOf(tableName(table.table))).length, [all]);
  return (
    <ListScreen
      title="Tables"
      lead={
        query.data
          ? `${plural(shown.length, "table")}${shown.length === all.length ? "" : ` of ${count(all.length)}`}, ${bytes(shown.reduce((sum, table) => sum + table.bytes, 0n))}`
          : "All tables of the catalog."
      }
      actions={
        <>
          <TextFilter label="Filter tables" />
          <Choice
            label="Health"
            name="health"
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
            side tables <span className="num text-ink-3">{count(sides)}</span>
          </label>
          <CopyCli command={cli.tables(ns)} />
        </>
      }
    >
      <div className="grid min-h-0 flex-1 gap-4 xl:grid-cols-[11.5rem_minmax(0,1fr)]">
        <NamespaceTree tables={tables} value={ns} onChange={(value) => setFilters({ ns: value })} />
        <ListCard
          query={query}
          doing="list the tables"
          label="Tables"
          columns={columns}
          rows={shown}
          rowId={(table) => tableName(table.table)}
          sort="name"
          onOpen={(table) =>
            void navigate({ to: "/tables/$table", params: { table: tableName(table.table) } } as never)
          }
          empty={
            all.length === 0 ? (
              <Empty title="No table yet. Make the first one." command={cli.start()}>
                Or create tables from Spark, Trino or PyIceberg: they see the same catalog.
              </Empty>
            ) : (
              <NoneLike what="table" all={plural(tables.length, "table")} filters={["q", "ns", "health"]} />
            )
          }
        />
      </div>
    </ListScreen>
  );
}

function columnsAt(now: number): Col<TableSummary>[] {
  return [
    {
      id: "name",
      head: "Table",
      least: "15.5rem",
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
      width: "8rem",
      by: (table) => ((table.health?.score ?? -1) < 0 ? undefined : table.health?.score),
      cell: (table) => <HealthBadge health={table.health} />,
    },
    agoCol("fresh", "Last commit", (table) => table.updatedAt, now, "7rem"),
    countCol("rows", "Rows", (table) => table.rows, "7.5rem"),
    bytesCol("bytes", "Size", (table) => table.bytes, "5.5rem"),
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
    bytesCol("average", "Average file", averageFile, "6.5rem"),
    countCol("snapshots", "Snapshots", (table) => table.snapshots, "6rem"),
  ];
}

function averageFile(table: TableSummary): number | undefined {
  const known = table.health?.averageFileBytes ?? 0n;
  if (known > 0n) return Number(known);
  return table.dataFiles > 0n ? Math.round(Number(table.bytes) / Number(table.dataFiles)) : undefined;
}
