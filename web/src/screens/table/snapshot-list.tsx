import type { Snapshot } from "~/gen/firn/v1/catalog_pb";
import { ago, compact, count, moment, plural, shortSnapshot } from "~/lake/format";
import { filesDelta, operationLabel, rowsDelta } from "~/lake/snapshots";
import { TableLink } from "~/ui/go";
import { Empty } from "~/ui/states";

/** Snapshots as a timeline, newest at the top. */
export function SnapshotList({
  snapshots,
  table,
  now,
}: {
  snapshots: readonly Snapshot[];
  table: string;
  now: number;
}) {
  if (snapshots.length === 0) return <Empty small title="No snapshot yet: the table is empty." />;
  return (
    <ol className="py-1">
      {snapshots.map((snapshot, index) => (
        <SnapshotLine
          key={snapshot.snapshotId.toString()}
          snapshot={snapshot}
          table={table}
          now={now}
          last={index === snapshots.length - 1}
        />
      ))}
    </ol>
  );
}

function SnapshotLine({
  snapshot,
  table,
  now,
  last,
}: {
  snapshot: Snapshot;
  table: string;
  now: number;
  last: boolean;
}) {
  const compaction = snapshot.operation === "replace";
  const rows = rowsDelta(snapshot);
  const files = filesDelta(snapshot);
  return (
    <li className="relative flex gap-3 px-4 py-1.5 text-xs">
      {!last && <span aria-hidden className="absolute top-5 bottom-[-6px] left-[1.3125rem] w-px bg-line" />}
      <span
        aria-hidden
        className={`relative mt-1 size-2.5 shrink-0 border-2 ${compaction ? "rotate-45 border-busy bg-busy-soft" : "rounded-full border-ice bg-ice-soft"}`}
      />
      <div className="min-w-0 flex-1">
        <div className="flex items-baseline gap-2">
          <span className="font-medium text-ink">{operationLabel(snapshot.operation)}</span>
          <TableLink name={table} tab="data" search={{ snapshot: snapshot.snapshotId.toString() }} className="num link">
            {shortSnapshot(snapshot.snapshotId)}
          </TableLink>
          <time className="num ml-auto shrink-0 text-ink-3" title={moment(snapshot.committedAt)}>
            {ago(snapshot.committedAt, now)}
          </time>
        </div>
        <div className="num flex flex-wrap gap-x-3 text-ink-3">
          {!compaction && rows.added > 0 && (
            <span>
              +{compact(rows.added)} {rows.added === 1 ? "row" : "rows"}
            </span>
          )}
          {!compaction && rows.removed > 0 && <span>−{compact(rows.removed)} rows</span>}
          {(files.added > 0 || files.removed > 0) && (
            <span>
              {compaction
                ? `${count(files.removed)} → ${plural(files.added, "file")}`
                : files.removed > 0
                  ? `+${count(files.added)} −${plural(files.removed, "file")}`
                  : `+${plural(files.added, "file")}`}
            </span>
          )}
          {snapshot.refs.map((ref) => (
            <span key={ref} className="rounded bg-ice-soft px-1.5 font-medium text-ink-2">
              {ref}
            </span>
          ))}
        </div>
      </div>
    </li>
  );
}
