import { useMemo } from "react";
import { useTable } from "~/api/queries";
import { useFilters } from "~/app/search";
import { cli } from "~/lake/cli";
import { bytes, count, percent, plural, times } from "~/lake/format";
import { gini, type Heat, heat, median } from "~/lake/partitions";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { Card, Figure } from "~/ui/layout";
import { Empty } from "~/ui/states";
import { Why } from "~/ui/why";
import { useTableName } from "./name";

export default function PartitionsTab() {
  const name = useTableName();
  const query = useTable(name);
  const [filters, setFilters] = useFilters();
  const partitions = query.data?.partitions;
  const cells = useMemo(() => heat(partitions ?? []), [partitions]);
  if (!query.data || !partitions) return null;
  if (query.data.partitionBy.length === 0) {
    return (
      <Empty title="The table is not partitioned.">
        All its files are one partition. A table that grows beyond some gigabytes reads faster with one, such as{" "}
        <code>day(ts)</code>.
      </Empty>
    );
  }
  if (partitions.length === 0) return <Empty title="No partition holds a file." command={cli.ingest(name)} />;
  const sizes = partitions.map((partition) => Number(partition.bytes));
  const health = query.data.summary?.health;
  const hottest = cells[0];
  return (
    <div className="flex h-full min-h-[34rem] flex-col gap-4">
      <div className="card grid grid-cols-2 gap-x-6 gap-y-4 px-5 py-4 lg:grid-cols-4">
        <Figure
          label="Partitions"
          value={count(health?.partitions || BigInt(partitions.length))}
          note={partitions.length >= 500 ? "the largest 500 are shown" : "all are shown"}
        />
        <Figure
          label="Largest"
          value={hottest ? percent(hottest.share) : "–"}
          note={hottest ? `${hottest.name}, ${bytes(hottest.partition.bytes)}` : ""}
        />
        <Figure
          label="Skew"
          value={
            <Why
              text={`The largest partition, ${bytes(Math.max(...sizes))}, over the median, ${bytes(median(sizes))}. Above 10 a bucket in the spec or a finer unit pays.`}
            >
              {times(health?.skew || Math.max(...sizes) / (median(sizes) || 1))}
            </Why>
          }
          note="largest over median"
        />
        <Figure
          label="Gini"
          value={
            <Why text="0: all partitions have the same size. 1: one has everything.">{gini(sizes).toFixed(2)}</Why>
          }
          note="0 even, 1 all in one"
        />
      </div>
      <Card title="Heat" className="shrink-0" aside={<Legend />}>
        <HeatMap cells={cells} />
      </Card>
      <div className="card flex min-h-64 flex-1 flex-col overflow-hidden">
        <div className="flex items-center border-b border-line px-4 py-1.5">
          <h2 className="flex-1 text-sm font-semibold">Partitions</h2>
          <CopyCli command={cli.partitions(name)} />
        </div>
        <DataTable
          label="Partitions"
          className="flex-1"
          columns={columns}
          rows={cells}
          rowId={(cell) => cell.name}
          sort={filters.sort ?? "-bytes"}
          onSort={(value) => setFilters({ sort: value })}
          minWidth={720}
        />
      </div>
    </div>
  );
}

function Legend() {
  return (
    <span className="flex items-center gap-1.5 text-2xs text-ink-3">
      below median
      {[0, 1, 2, 3, 4, 5].map((level) => (
        <span key={level} aria-hidden className="h-2.5 w-4 rounded-sm" style={{ background: `var(--heat-${level})` }} />
      ))}
      64× median
    </span>
  );
}

/** Text colours that stand out on each level of heat. */
const inks = [
  "var(--ink-2)",
  "var(--ink)",
  "var(--ink)",
  "var(--heat-ink-mid)",
  "var(--heat-ink-mid)",
  "var(--heat-ink-strong)",
];

/** One tile a partition: its area grows with its bytes, its colour with its distance from the median. */
function HeatMap({ cells }: { cells: readonly Heat[] }) {
  const most = Math.max(...cells.map((cell) => Number(cell.partition.bytes)), 1);
  return (
    <ul className="flex flex-wrap gap-1" aria-label="Partitions by heat">
      {cells.slice(0, 200).map((cell) => {
        const weight = Math.sqrt(Number(cell.partition.bytes) / most);
        return (
          <li key={cell.name} style={{ flexGrow: Math.max(1, Math.round(weight * 60)), minWidth: 34 }}>
            <Why
              plain
              focusable={false}
              text={
                <>
                  <span className="font-medium text-ink">{cell.name}</span>
                  <br />
                  {bytes(cell.partition.bytes)} ({percent(cell.share)}), {plural(cell.partition.rows, "row")},{" "}
                  {plural(cell.partition.files, "file")}, {count(cell.partition.smallFiles)} small
                </>
              }
            >
              <span
                className="flex h-10 items-end overflow-hidden rounded-md px-1.5 pb-0.5 text-2xs"
                style={{
                  background: `var(--heat-${cell.level})`,
                  color: inks[cell.level],
                }}
              >
                <span className="truncate">
                  {cell.partition.values.map((value) => value.value ?? "NULL").join(" ")}
                </span>
              </span>
            </Why>
          </li>
        );
      })}
    </ul>
  );
}

const columns: Col<Heat>[] = [
  {
    id: "name",
    head: "Partition",
    by: (cell) => cell.name,
    cell: (cell) => (
      <span className="flex items-center gap-2">
        <span
          aria-hidden
          className="size-2.5 shrink-0 rounded-sm"
          style={{ background: `var(--heat-${cell.level})` }}
        />
        <span className="truncate">{cell.name}</span>
      </span>
    ),
  },
  {
    id: "share",
    head: "Share",
    width: "10rem",
    by: (cell) => cell.share,
    cell: (cell) => (
      <span className="flex items-center gap-2">
        <span className="h-1.5 w-20 overflow-hidden rounded-full bg-sunken">
          <span className="block h-full rounded-full bg-ice" style={{ width: `${cell.share * 100}%` }} />
        </span>
        <span className="num text-ink-2">{percent(cell.share)}</span>
      </span>
    ),
  },
  {
    id: "bytes",
    head: "Size",
    width: "7rem",
    align: "right",
    by: (cell) => cell.partition.bytes,
    cell: (cell) => bytes(cell.partition.bytes),
  },
  {
    id: "rows",
    head: "Rows",
    width: "8rem",
    align: "right",
    by: (cell) => cell.partition.rows,
    cell: (cell) => count(cell.partition.rows),
  },
  {
    id: "files",
    head: "Files",
    width: "6rem",
    align: "right",
    by: (cell) => cell.partition.files,
    cell: (cell) => count(cell.partition.files),
  },
  {
    id: "small",
    head: "Small",
    width: "6rem",
    align: "right",
    by: (cell) => cell.partition.smallFiles,
    cell: (cell) => count(cell.partition.smallFiles),
  },
];
