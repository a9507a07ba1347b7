import { useQuery } from "@connectrpc/connect-query";
import { Plus } from "lucide-react";
import { useMemo, useState } from "react";
import { useLive, useNow, useRefresh } from "~/app/live";
import { useFilters } from "~/app/search";
import { MaintenanceService, type Schedule } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { ago, millis, plural, sentence } from "~/lake/format";
import {
  firingText,
  firingTone,
  inZone,
  missedText,
  nextText,
  overlapText,
  scheduleMakes,
  scheduleState,
  scheduleStates,
  unreadable,
  windowsText,
} from "~/lake/schedules";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { Facets } from "~/ui/filters";
import { ListCard, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import { Empty } from "~/ui/states";
import { Status } from "~/ui/status";
import { ScheduleDrawer } from "./schedule-drawer";
import { ScheduleEditor } from "./schedule-editor";

/** Durable schedules: when each fires next, by which policies, and what became of the last times. */
export default function Schedules() {
  const [filters, setFilters] = useFilters();
  const { state = "", q = "", schedule = "" } = filters;
  const query = useQuery(MaintenanceService.method.listSchedules, {}, useRefresh(5000));
  const { paused } = useLive();
  const now = useNow(1000);
  const [editing, setEditing] = useState<{ schedule?: Schedule }>();
  const all = useMemo(() => query.data?.schedules ?? [], [query.data]);
  const shown = useMemo(
    () =>
      matching(
        all.filter((entry) => !state || scheduleState(entry).name === state),
        q,
        (entry) => [entry.name, entry.cron, scheduleMakes(entry), entry.timeZone].join(" "),
      ),
    [all, state, q],
  );
  const columns = useMemo(() => columnsAt(now), [now]);
  return (
    <ListScreen
      title="Schedules"
      lead={`Each due time fires once, or is skipped for a reason that is kept.${paused ? " Refresh is paused." : ""}`}
      actions={
        <>
          <TextFilter label="Filter schedules" />
          <CopyCli command={cli.schedules()} />
          <Button kind="primary" icon={<Plus aria-hidden className="size-3.5" />} onClick={() => setEditing({})}>
            New schedule
          </Button>
        </>
      }
      facets={
        <Facets
          label="State"
          value={state}
          onChange={(value) => setFilters({ state: value })}
          all={{ value: "", label: "All", count: BigInt(all.length) }}
          facets={scheduleStates.map((entry) => {
            const count = BigInt(all.filter((one) => scheduleState(one).name === entry.name).length);
            return {
              value: entry.name,
              label: <Status tone={count > 0n ? entry.tone : "idle"}>{entry.label}</Status>,
              count,
            };
          })}
        />
      }
    >
      <ListCard
        query={query}
        doing="list the schedules"
        label="Schedules"
        columns={columns}
        rows={shown}
        rowId={(entry) => entry.name}
        rowHeight={50}
        selected={schedule}
        onOpen={(entry) => setFilters({ schedule: entry.name }, true)}
        empty={
          all.length === 0 ? (
            <Empty title="No schedule yet.">
              Tables keep themselves healthy without one; this is for work at a time of your own.
            </Empty>
          ) : (
            <NoneLike what="schedule" all={plural(all.length, "schedule")} filters={["state", "q"]} />
          )
        }
      />
      <ScheduleDrawer
        name={schedule}
        known={all.find((entry) => entry.name === schedule)}
        now={now}
        onClose={() => setFilters({ schedule: undefined })}
        onEdit={(entry) => setEditing({ schedule: entry })}
      />
      {editing && (
        <ScheduleEditor
          schedule={editing.schedule}
          taken={all.map((entry) => entry.name)}
          onClose={() => setEditing(undefined)}
          onSaved={(name) => {
            setEditing(undefined);
            setFilters({ schedule: name });
          }}
        />
      )}
    </ListScreen>
  );
}

function columnsAt(now: number): Col<Schedule>[] {
  return [
    {
      id: "state",
      head: "State",
      width: "7.5rem",
      by: (entry) => scheduleState(entry).label,
      cell: (entry) => <Status tone={scheduleState(entry).tone}>{scheduleState(entry).label}</Status>,
    },
    {
      id: "name",
      head: "Schedule",
      least: "14rem",
      by: (entry) => entry.name,
      cell: (entry) => (
        <div className="min-w-0">
          <div className="truncate font-medium">{entry.name}</div>
          <div className="truncate text-xs text-ink-2">{scheduleMakes(entry)}</div>
        </div>
      ),
    },
    {
      id: "cron",
      head: "Cron",
      width: "11rem",
      by: (entry) => entry.cron,
      cell: (entry) => (
        <div className="min-w-0">
          <code className="block truncate">{entry.cron || "–"}</code>
          <div className="truncate text-2xs text-ink-3">{unreadable(entry) ? "" : entry.timeZone || "UTC"}</div>
        </div>
      ),
    },
    {
      id: "next",
      head: "Next firing",
      width: "9rem",
      by: (entry) => (entry.paused ? undefined : millis(entry.nextFire)),
      cell: (entry) => (
        <span className="num text-ink-2" title={inZone(entry.nextFire, entry.timeZone)}>
          {nextText(entry, now)}
        </span>
      ),
    },
    {
      id: "policies",
      head: "Windows and policies",
      width: "15rem",
      cell: (entry) =>
        entry.broken ? (
          <div className="line-clamp-2 text-xs text-ink-2" title={entry.broken}>
            {sentence(entry.broken)}
          </div>
        ) : (
          <div className="min-w-0">
            <div className="truncate text-ink-2" title={windowsText(entry)}>
              {windowsText(entry)}
            </div>
            <div className="truncate text-2xs text-ink-3">
              overlap {overlapText(entry)}, missed {missedText(entry)}
            </div>
          </div>
        ),
    },
    {
      id: "last",
      head: "Latest",
      width: "13rem",
      by: (entry) => millis(entry.firings[0]?.at),
      cell: (entry) => {
        const firing = entry.firings[0];
        if (!firing) return <span className="text-ink-3">nothing yet</span>;
        return (
          <div className="min-w-0" title={firing.reason}>
            <Status tone={firingTone(firing)}>{firingText(firing)}</Status>
            <div className="truncate pl-5 text-2xs text-ink-3">{ago(firing.at, now)}</div>
          </div>
        );
      },
    },
  ];
}
