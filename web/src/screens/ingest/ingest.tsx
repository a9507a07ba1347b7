import { useQuery } from "@connectrpc/connect-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useNow, useRefresh } from "~/app/live";
import { useFilters } from "~/app/search";
import { type Channel, IngestService } from "~/gen/firn/v1/ingest_pb";
import { cli } from "~/lake/cli";
import { ago, compact, count, millis, moment, plural, shortSnapshot } from "~/lake/format";
import { tableName } from "~/lake/name";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { FilterField, Select } from "~/ui/filters";
import { TableLink } from "~/ui/go";
import { Figure, ScreenHead } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { Why } from "~/ui/why";

export default function Ingest() {
  const [filters, setFilters] = useFilters();
  const { q = "", table = "", sort = "-next" } = filters;
  const query = useQuery(IngestService.method.listChannels, {}, useRefresh(2000));
  const now = useNow(1000);
  const channels = query.data?.channels ?? [];
  const rates = useRates(channels, query.dataUpdatedAt);
  const tables = useMemo(() => [...new Set(channels.map((channel) => tableName(channel.table)))].sort(), [channels]);
  const shown = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return channels.filter(
      (channel) =>
        (!table || tableName(channel.table) === table) &&
        words.every((word) => `${channel.channel} ${tableName(channel.table)}`.toLowerCase().includes(word)),
    );
  }, [channels, q, table]);
  const columns = useMemo(() => columnsAt(now, rates), [now, rates]);
  const rows = shown.reduce((sum, channel) => sum + channel.nextOffset, 0n);
  const rate = shown.reduce((sum, channel) => sum + (rates.get(keyOf(channel)) ?? 0), 0);
  const active = shown.filter((channel) => now - (millis(channel.updatedAt) ?? 0) < 60_000).length;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead
        title="Ingest"
        lead="Durable channels: each acknowledged row is in a committed snapshot, exactly once."
        actions={
          <>
            <FilterField value={q} onChange={(text) => setFilters({ q: text })} label="Filter channels" />
            <Select
              label="Table"
              value={table}
              onChange={(value) => setFilters({ table: value })}
              options={[{ value: "", label: "All tables" }, ...tables.map((name) => ({ value: name, label: name }))]}
            />
            <CopyCli command={cli.channels(table)} />
          </>
        }
      />
      <div className="flex min-h-0 flex-1 flex-col gap-4 px-6 pb-6">
        <div className="card grid shrink-0 grid-cols-2 gap-x-6 gap-y-4 px-5 py-4 sm:grid-cols-4">
          <Figure
            label="Channels"
            value={count(shown.length)}
            note={`${count(active)} with a commit in the last minute`}
          />
          <Figure
            label="Rows committed"
            value={
              <Why
                plain
                text="The sum of the channels' committed offsets. Rows appended without a channel are not among them."
              >
                {count(rows)}
              </Why>
            }
            note="through these channels"
          />
          <Figure label="Now" value={`${compact(Math.round(rate))}/s`} note="rows, by the change of the offsets" />
          <Figure
            label="Duplicates refused"
            value={count(shown.reduce((sum, channel) => sum + channel.duplicates, 0n))}
            note="batches, since this process started"
          />
        </div>
        <div className="card flex min-h-64 flex-1 flex-col overflow-hidden">
          <Loaded query={query} doing="list the channels" rows={12}>
            {() => (
              <DataTable
                label="Channels"
                className="flex-1"
                columns={columns}
                rows={shown}
                rowId={keyOf}
                sort={sort}
                onSort={(value) => setFilters({ sort: value })}
                minWidth={980}
                empty={
                  <Empty
                    title={channels.length === 0 ? "No channel is open." : "No channel is like that."}
                    {...(channels.length === 0 ? { command: cli.ingest("bronze.events") } : {})}
                  >
                    A client opens a channel by name and appends with offsets; after a crash it asks where it was.
                    Appends without a channel work too, with an idempotency key.
                  </Empty>
                }
              />
            )}
          </Loaded>
        </div>
      </div>
    </div>
  );
}

function keyOf(channel: Channel): string {
  return `${tableName(channel.table)}/${channel.channel}`;
}

/** Rows a second by channel, from the last two answers. */
function useRates(channels: readonly Channel[], at: number): Map<string, number> {
  const before = useRef<{ at: number; offsets: Map<string, bigint> } | undefined>(undefined);
  const [rates, setRates] = useState<Map<string, number>>(new Map());
  // biome-ignore lint/correctness/useExhaustiveDependencies: an answer is known by its time
  useEffect(() => {
    const offsets = new Map(channels.map((channel) => [keyOf(channel), channel.nextOffset]));
    const old = before.current;
    before.current = { at, offsets };
    if (!old || at <= old.at) return;
    const next = new Map<string, number>();
    for (const [key, offset] of offsets) {
      next.set(key, Number(offset - (old.offsets.get(key) ?? 0n)) / ((at - old.at) / 1000));
    }
    setRates(next);
  }, [at]);
  return rates;
}

function columnsAt(now: number, rates: Map<string, number>): Col<Channel>[] {
  return [
    {
      id: "channel",
      head: "Channel",
      by: (channel) => channel.channel,
      cell: (channel) => <span className="font-medium">{channel.channel}</span>,
    },
    {
      id: "table",
      head: "Table",
      by: (channel) => tableName(channel.table),
      cell: (channel) => <TableLink name={tableName(channel.table)} className="text-ink-2 hover:underline" />,
    },
    {
      id: "next",
      head: "Rows committed",
      width: "9rem",
      align: "right",
      by: (channel) => channel.nextOffset,
      cell: (channel) => count(channel.nextOffset),
    },
    {
      id: "rate",
      head: "Rows/s",
      width: "6rem",
      align: "right",
      by: (channel) => rates.get(keyOf(channel)) ?? 0,
      cell: (channel) => {
        const rate = rates.get(keyOf(channel)) ?? 0;
        return rate > 0 ? compact(Math.round(rate)) : <span className="text-ink-3">0</span>;
      },
    },
    {
      id: "lag",
      head: "Last commit",
      width: "8rem",
      align: "right",
      by: (channel) => millis(channel.updatedAt),
      cell: (channel) => (
        <span className="text-ink-2" title={moment(channel.updatedAt)}>
          {ago(channel.updatedAt, now)}
        </span>
      ),
    },
    {
      id: "duplicates",
      head: "Duplicates",
      width: "7rem",
      align: "right",
      by: (channel) => channel.duplicates,
      cell: (channel) => (
        <span title={`${plural(channel.duplicates, "batch", "batches")} refused as committed before`}>
          {count(channel.duplicates)}
        </span>
      ),
    },
    {
      id: "epoch",
      head: "Epoch",
      width: "5rem",
      align: "right",
      by: (channel) => channel.epoch,
      cell: (channel) => (
        <span title="Grows when a new owner takes the channel over; older owners are refused.">
          {channel.epoch.toString()}
        </span>
      ),
    },
    {
      id: "snapshot",
      head: "Snapshot",
      width: "7rem",
      align: "right",
      cell: (channel) =>
        channel.snapshotId === 0n ? (
          "–"
        ) : (
          <TableLink
            name={tableName(channel.table)}
            tab="snapshots"
            search={{ at: channel.snapshotId.toString() }}
            className="link"
          >
            {shortSnapshot(channel.snapshotId)}
          </TableLink>
        ),
    },
    {
      id: "token",
      head: "Token",
      width: "9rem",
      cell: (channel) => (
        <code className="text-xs text-ink-3" title={channel.lastToken}>
          {channel.lastToken || "–"}
        </code>
      ),
    },
  ];
}
