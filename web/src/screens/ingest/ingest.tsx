import { useQuery } from "@connectrpc/connect-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useNow, useRefresh } from "~/app/live";
import { useFilters } from "~/app/search";
import { type Channel, IngestService } from "~/gen/firn/v1/ingest_pb";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { compact, count, millis, plural, shortSnapshot } from "~/lake/format";
import { tableName } from "~/lake/name";
import { agoCol, countCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { TableLink } from "~/ui/go";
import { Figure, Figures } from "~/ui/layout";
import { Choice, ListCard, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import { Empty } from "~/ui/states";

export default function Ingest() {
  const [filters] = useFilters();
  const { q = "", table = "" } = filters;
  const query = useQuery(IngestService.method.listChannels, {}, useRefresh(2000));
  const now = useNow(1000);
  const channels = useMemo(() => query.data?.channels ?? [], [query.data]);
  const rates = useRates(channels, query.dataUpdatedAt);
  const tables = useMemo(() => [...new Set(channels.map((channel) => tableName(channel.table)))].sort(), [channels]);
  const shown = useMemo(
    () =>
      matching(
        channels.filter((channel) => !table || tableName(channel.table) === table),
        q,
        (channel) => `${channel.channel} ${tableName(channel.table)}`,
      ),
    [channels, q, table],
  );
  const columns = useMemo(() => columnsAt(now, rates), [now, rates]);
  const rows = shown.reduce((sum, channel) => sum + channel.nextOffset, 0n);
  const rate = shown.reduce((sum, channel) => sum + (rates.get(keyOf(channel)) ?? 0), 0);
  const active = shown.filter((channel) => now - (millis(channel.updatedAt) ?? 0) < 60_000).length;
  return (
    <ListScreen
      title="Ingest"
      lead="Durable channels: each acknowledged row is in a committed snapshot, exactly once."
      actions={
        <>
          <TextFilter label="Filter channels" />
          <Choice
            label="Table"
            name="table"
            options={[{ value: "", label: "All tables" }, ...tables.map((name) => ({ value: name, label: name }))]}
          />
          <CopyCli command={cli.channels(table)} />
        </>
      }
    >
      <Figures>
        <Figure
          label="Channels"
          value={count(shown.length)}
          note={`${count(active)} with a commit in the last minute`}
        />
        <Figure
          label="Rows committed"
          value={count(rows)}
          note="through these channels"
          why="The sum of the channels' committed offsets. Rows appended without a channel are not among them."
        />
        <Figure
          label="Now"
          value={`${compact(Math.round(rate))} rows/s`}
          note="over the last two seconds"
          why="By how much the committed offsets grew between the last two answers of the service."
        />
        <Figure
          label="Duplicates refused"
          value={count(shown.reduce((sum, channel) => sum + channel.duplicates, 0n))}
          note="batches, since the start"
          why="Batches that a client sent again after they were committed, since this process started. None of them was written twice."
        />
      </Figures>
      <ListCard
        query={query}
        doing="list the channels"
        label="Channels"
        columns={columns}
        rows={shown}
        rowId={keyOf}
        sort="-next"
        empty={
          channels.length === 0 ? (
            <Empty title="No channel is open." command={cli.ingest("bronze.events")}>
              A client opens a channel by name and appends with offsets; after a crash it asks where it was. Appends
              without a channel work too, with an idempotency key.
            </Empty>
          ) : (
            <NoneLike what="channel" all={plural(channels.length, "channel")} filters={["q", "table"]} />
          )
        }
      />
    </ListScreen>
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
    countCol("next", "Rows committed", (channel) => channel.nextOffset, "9rem"),
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
    agoCol("lag", "Last commit", (channel) => channel.updatedAt, now),
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
      width: "6rem",
      cell: (channel) => (
        <code className="text-xs text-ink-3" title={channel.lastToken}>
          {channel.lastToken || "–"}
        </code>
      ),
    },
  ];
}
