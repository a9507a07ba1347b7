import { useMemo } from "react";
import { useSnapshots } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { Snapshot } from "~/gen/firn/v1/catalog_pb";
import { cli } from "~/lake/cli";
import { ago, bytes, count, millis, moment, plural, shortSnapshot } from "~/lake/format";
import { figure, filesDelta, operationLabel, rowsDelta } from "~/lake/snapshots";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { Drawer } from "~/ui/drawer";
import { Facets } from "~/ui/filters";
import { TableLink } from "~/ui/go";
import { Facts } from "~/ui/layout";
import { ListCard, NoneLike } from "~/ui/list";
import { Empty } from "~/ui/states";
import { useTableName } from "./name";

const LIMIT = 1000;

export default function SnapshotsTab() {
  const name = useTableName();
  const query = useSnapshots(name, LIMIT);
  const [filters, setFilters] = useFilters();
  const now = useNow();
  const { op = "", at = "" } = filters;
  const snapshots = useMemo(() => query.data?.snapshots ?? [], [query.data]);
  const total = query.data?.total ?? 0n;
  const operations = useMemo(() => {
    const counts = new Map<string, number>();
    for (const snapshot of snapshots) counts.set(snapshot.operation, (counts.get(snapshot.operation) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  }, [snapshots]);
  const shown = useMemo(() => snapshots.filter((snapshot) => !op || snapshot.operation === op), [snapshots, op]);
  const columns = useMemo(() => columnsOf(name, now), [name, now]);
  const open = snapshots.find((snapshot) => snapshot.snapshotId.toString() === at);
  return (
    <div className="flex h-full min-h-80 flex-col gap-3">
      <div className="flex flex-wrap items-center gap-3">
        <Facets
          label="Operation"
          value={op}
          onChange={(value) => setFilters({ op: value })}
          all={{ value: "", label: "All", count: snapshots.length }}
          facets={operations.map(([operation, n]) => ({
            value: operation,
            label: operationLabel(operation),
            count: n,
          }))}
        />
        <span className="ml-auto text-xs text-ink-3">
          {total > BigInt(snapshots.length)
            ? `newest ${count(snapshots.length)} of ${count(total)}`
            : plural(total, "snapshot")}
        </span>
        <CopyCli command={cli.snapshots(name)} />
      </div>
      <ListCard
        query={query}
        doing="list the snapshots"
        label="Snapshots"
        columns={columns}
        rows={shown}
        rowId={(snapshot) => snapshot.snapshotId.toString()}
        selected={at}
        onOpen={(snapshot) => setFilters({ at: snapshot.snapshotId.toString() }, true)}
        empty={
          op ? (
            <NoneLike what="snapshot" all="all snapshots" filters={["op"]} />
          ) : (
            <Empty title="No snapshot yet." command={cli.ingest(name)}>
              The first commit makes the first snapshot.
            </Empty>
          )
        }
      />
      <Drawer
        open={open !== undefined}
        onClose={() => setFilters({ at: undefined })}
        title={open ? `Snapshot ${open.snapshotId}` : ""}
        lead={open && `${operationLabel(open.operation)} at ${moment(open.committedAt)}`}
        actions={
          open && (
            <>
              <TableLink name={name} tab="data" search={{ snapshot: open.snapshotId.toString() }}>
                Data at this snapshot
              </TableLink>
              <span className="mx-2 text-ink-3">·</span>
              <TableLink name={name} tab="files" search={{ snapshot: open.snapshotId.toString() }}>
                Files at this snapshot
              </TableLink>
            </>
          )
        }
      >
        {open && (
          <>
            <Facts
              rows={[
                ["Sequence number", open.sequenceNumber.toString()],
                ["Parent", open.parentId === 0n ? "none" : open.parentId.toString()],
                ["Schema", open.schemaId.toString()],
                ["Refs", open.refs.join(", ") || "none"],
              ]}
            />
            <div>
              <h3 className="eyebrow mb-2">Summary</h3>
              <Facts
                rows={Object.entries(open.summary)
                  .sort()
                  .map(([key, value]) => [
                    <code key="key">{key}</code>,
                    <span key="value" className="num break-all">
                      {/^\d+$/.test(value) ? count(BigInt(value)) : value}
                    </span>,
                  ])}
              />
            </div>
          </>
        )}
      </Drawer>
    </div>
  );
}

function columnsOf(name: string, now: number): Col<Snapshot>[] {
  return [
    {
      id: "operation",
      head: "Operation",
      by: (snapshot) => operationLabel(snapshot.operation),
      width: "9.5rem",
      cell: (snapshot) => (
        <span className="flex items-center gap-2 font-medium">
          <span
            aria-hidden
            className={`size-2.5 shrink-0 border-2 ${snapshot.operation === "replace" ? "rotate-45 border-busy bg-busy-soft" : "rounded-full border-ice bg-ice-soft"}`}
          />
          {operationLabel(snapshot.operation)}
        </span>
      ),
    },
    {
      id: "id",
      head: "Snapshot",
      width: "13rem",
      cell: (snapshot) => (
        <TableLink name={name} tab="data" search={{ snapshot: snapshot.snapshotId.toString() }} className="num link">
          {snapshot.snapshotId.toString()}
        </TableLink>
      ),
    },
    {
      id: "at",
      head: "Committed",
      width: "8rem",
      by: (snapshot) => millis(snapshot.committedAt),
      cell: (snapshot) => (
        <time className="num text-ink-2" title={moment(snapshot.committedAt)}>
          {ago(snapshot.committedAt, now)}
        </time>
      ),
    },
    {
      id: "rows",
      head: "Rows",
      width: "10rem",
      align: "right",
      by: (snapshot) => rowsDelta(snapshot).added,
      cell: (snapshot) => delta(rowsDelta(snapshot), snapshot.operation === "replace"),
    },
    { id: "files", head: "Files", width: "7rem", align: "right", cell: (snapshot) => delta(filesDelta(snapshot)) },
    {
      id: "total",
      head: "Total rows",
      width: "8rem",
      align: "right",
      by: (snapshot) => figure(snapshot.summary, "total-records"),
      cell: (snapshot) => {
        const rows = figure(snapshot.summary, "total-records");
        return rows === undefined ? "–" : count(rows);
      },
    },
    {
      id: "size",
      head: "Total size",
      width: "7rem",
      align: "right",
      by: (snapshot) => figure(snapshot.summary, "total-files-size"),
      cell: (snapshot) => {
        const size = figure(snapshot.summary, "total-files-size");
        return size === undefined ? "–" : bytes(size);
      },
    },
    {
      id: "refs",
      head: "Refs",
      cell: (snapshot) => (
        <span className="text-xs text-ink-2">
          {snapshot.refs.join(", ") || <span className="text-ink-3">parent {shortSnapshot(snapshot.parentId)}</span>}
        </span>
      ),
    },
  ];
}

function delta({ added, removed }: { added: number; removed: number }, rewrite = false) {
  if (rewrite && added === removed && added > 0) return <span className="text-ink-3">{count(added)} rewritten</span>;
  if (added === 0 && removed === 0) return <span className="text-ink-3">0</span>;
  return (
    <span>
      {added > 0 && <span className="text-good">+{count(added)}</span>}
      {added > 0 && removed > 0 && " "}
      {removed > 0 && <span className="text-bad">−{count(removed)}</span>}
    </span>
  );
}
