import type { Event } from "~/gen/firn/v1/catalog_pb";
import { ago, compact, moment } from "~/lake/format";
import { tableName } from "~/lake/name";
import { figure, operationLabel } from "~/lake/snapshots";
import { TableLink } from "~/ui/go";
import { Card } from "~/ui/layout";
import { Empty, Fault } from "~/ui/states";

/** The newest commits, whoever made them. */
export function CommitLog({ events, now, error }: { events: readonly Event[]; now: number; error: unknown }) {
  return (
    <Card title="Commits" flush aside={<span className="text-xs text-ink-3">newest first</span>}>
      {error && events.length === 0 ? <Fault error={error} doing="read the commit log" /> : null}
      {!error && events.length === 0 && <Empty small title="No commit yet." />}
      <ul className="divide-y divide-line">
        {events.slice(0, 14).map((event) => {
          const name = tableName(event.table);
          const added = figure(event.summary, "added-records") ?? 0;
          return (
            <li key={event.position} className="flex items-center gap-2 px-4 py-1.5 text-xs">
              <span
                aria-hidden
                className={`size-1.5 shrink-0 rounded-full ${event.operation === "replace" ? "bg-busy" : event.kind === "commit" ? "bg-ice" : "bg-ink-3"}`}
              />
              <span className="min-w-0 truncate" title={name || event.kind}>
                {name ? <TableLink name={name} className="font-medium hover:underline" /> : event.kind}
              </span>
              <span className="flex-1 shrink-0 text-ink-3">
                {event.kind === "commit" ? operationLabel(event.operation) : name && event.kind}
                {event.operation !== "replace" && added > 0 ? ` +${compact(added)}` : ""}
              </span>
              <time className="num shrink-0 text-ink-3" title={`${moment(event.at)} by ${event.actor || "unknown"}`}>
                {ago(event.at, now)}
              </time>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
