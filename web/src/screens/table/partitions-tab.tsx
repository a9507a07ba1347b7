import { useMemo } from "react";
import { useTable } from "~/api/queries";
import { useFilters } from "~/app/search";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { bytes, count, percent, plural, times } from "~/lake/format";
import { gini, type Heat, heat, median } from "~/lake/partitions";
import { bytesCol, countCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { Card, Figure, Figures } from "~/ui/layout";
import { ListCard, NoneLike, TextFilter } from "~/ui/list";
import { Empty } from "~/ui/states";
import { Why } from "~/ui/why";
import { HotPartitions } from "./hot-partitions";
import { useTableName } from "./name";

export default function PartitionsTab() {
  const name = useTableName();
  const query = useTable(name);
  const [filters] = useFilters();
  const partitions = query.data?.partitions;
  const cells = useMemo(() => heat(partitions ?? []), [partitions]);
  const shown = useMemo(() => matching(cells, filters.q ?? "", (cell) => cell.name), [cells, filters.q]);
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
  const total = health?.partitions || BigInt(partitions.length);
  return (
    <div className="flex h-full min-h-[34rem] flex-col gap-4">
      <Figures>
        <Figure
          label="Partitions"
          value={count(total)}
          note={
            total > BigInt(partitions.length) ? `the largest ${count(partitions.length)} are shown` : "all are shown"
          }
        />
        <Figure
          label="Largest"
          value={hottest ? percent(hottest.share) : "–"}
          note={hottest ? `${hottest.name}, ${bytes(hottest.partition.bytes)}` : ""}
          why="The share of the table's bytes that the largest partition holds."
        />
        <Figure
          label="Skew"
          value={times(health?.skew || Math.max(...sizes) / (median(sizes) || 1))}
          note="largest over median"
          why={`The largest partition, ${bytes(Math.max(...sizes))}, over the median, ${bytes(median(sizes))}. Above 10 a bucket in the spec or a finer unit pays.`}
        />
        <Figure
          label="Gini"
          value={gini(sizes).toFixed(2)}
          note="0 even, 1 all in one"
          why="How unevenly the bytes are spread. 0: all partitions have the same size. 1: one has everything."
        />
      </Figures>
      <Card title="Heat" className="shrink-0" aside={<Legend />}>
        <HeatMap cells={cells} />
      </Card>
      <HotPartitions table={name} />
      <ListCard
        query={query}
        doing="list the partitions"
        head={
          <>
            <h2 className="flex-1 text-sm font-semibold">Partitions</h2>
            <TextFilter label="Filter partitions" />
            <CopyCli command={cli.partitions(name)} />
          </>
        }
        label="Partitions"
        columns={columns}
        rows={shown}
        rowId={(cell) => cell.name}
        sort="-bytes"
        empty={<NoneLike what="partition" all={plural(cells.length, "partition")} filters={["q"]} />}
      />
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

const TILES = 200;

/** One tile a partition, the largest first; its colour is its distance from the median. */
function HeatMap({ cells }: { cells: readonly Heat[] }) {
  return (
    <>
      <ul
        className="grid max-h-64 grid-cols-[repeat(auto-fill,minmax(6.75rem,1fr))] gap-1 overflow-y-auto"
        aria-label="Partitions by heat"
        tabIndex={0}
      >
        {cells.slice(0, TILES).map((cell) => (
          <li key={cell.name} className="min-w-0">
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
                className="flex h-10 flex-col justify-end rounded-md px-1.5 pb-0.5 text-2xs leading-4"
                style={{ background: `var(--heat-${cell.level})`, color: inks[cell.level] }}
              >
                <span className="truncate">
                  {cell.partition.values.map((value) => value.value ?? "NULL").join(" ")}
                </span>
                <span className="num">{percent(cell.share)}</span>
              </span>
            </Why>
          </li>
        ))}
      </ul>
      {cells.length > TILES && (
        <p className="mt-2 text-xs text-ink-3">
          The {count(TILES)} largest of {count(cells.length)}; the list below has them all.
        </p>
      )}
    </>
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
        <span className="num flex-1 text-right text-ink-2">{percent(cell.share)}</span>
      </span>
    ),
  },
  bytesCol("bytes", "Size", (cell) => cell.partition.bytes),
  countCol("rows", "Rows", (cell) => cell.partition.rows, "8rem"),
  countCol("files", "Files", (cell) => cell.partition.files, "6rem"),
  countCol("small", "Small files", (cell) => cell.partition.smallFiles, "6.5rem"),
];
