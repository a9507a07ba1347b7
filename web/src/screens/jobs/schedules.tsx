import type { Schedule } from "~/gen/firn/v1/maintenance_pb";
import { ago, duration, millis, moment } from "~/lake/format";
import { jobKind } from "~/lake/jobs";
import { tableName } from "~/lake/name";
import { Card } from "~/ui/layout";

/** Durable schedules: what fires next, and when it did last. */
export function Schedules({ schedules, now }: { schedules: readonly Schedule[]; now: number }) {
  if (schedules.length === 0) return null;
  return (
    <Card flush title="Schedules" className="shrink-0">
      <ul className="divide-y divide-line">
        {schedules.map((schedule) => {
          const next = millis(schedule.nextFire);
          return (
            <li key={schedule.name} className="flex items-center gap-4 px-4 py-1.5">
              <span className="w-52 truncate font-medium">{schedule.name}</span>
              <code className="w-36 text-ink-2">{schedule.cron}</code>
              <span className="flex-1 truncate text-ink-2">
                {jobKind(schedule.kind)} of {schedule.model || tableName(schedule.table) || "all tables"}
              </span>
              <span className="num text-xs text-ink-3" title={moment(schedule.lastFired)}>
                last {ago(schedule.lastFired, now)}
              </span>
              <span
                className="num w-32 text-right text-xs text-ink-2"
                title={`${moment(schedule.nextFire)} ${schedule.timeZone || "UTC"}`}
              >
                {next === undefined ? "–" : next > now ? `in ${duration(next - now)}` : "due now"}
              </span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
