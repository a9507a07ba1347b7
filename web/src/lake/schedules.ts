import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type Firing,
  FiringOutcome,
  MissedPolicy,
  OutsidePolicy,
  OverlapPolicy,
  type Schedule,
  type WaitingFiring,
} from "~/gen/firn/v1/maintenance_pb";
import { count, duration, millis, plural } from "./format";
import type { Tone } from "./health";
import { jobKind } from "./jobs";
import { tableName } from "./name";

/** What a schedule makes jobs for. */
export function scheduleOn(schedule: Schedule): string {
  const { model, table } = schedule;
  if (model) return model;
  if (table && !table.name && table.namespace.length > 0) return `all tables of ${table.namespace.join(".")}`;
  return tableName(table) || "all tables";
}

export function scheduleMakes(schedule: Schedule): string {
  if (unreadable(schedule)) return "Its record cannot be read";
  return `${jobKind(schedule.kind)} of ${scheduleOn(schedule)}`;
}

/** Whether there is nothing of it but its name. */
export function unreadable(schedule: Schedule): boolean {
  return schedule.broken !== "" && schedule.cron === "";
}

export type ScheduleState = { name: string; label: string; tone: Tone };

export const scheduleStates: ScheduleState[] = [
  { name: "active", label: "Active", tone: "good" },
  { name: "waiting", label: "Waiting", tone: "busy" },
  { name: "paused", label: "Paused", tone: "idle" },
  { name: "broken", label: "Broken", tone: "bad" },
];

export function scheduleState(schedule: Schedule): ScheduleState {
  const name = schedule.broken
    ? "broken"
    : schedule.paused
      ? "paused"
      : schedule.waiting.length > 0
        ? "waiting"
        : "active";
  return scheduleStates.find((state) => state.name === name) as ScheduleState;
}

/** When it fires next: `in 3 h`, `due now`, or why not. */
export function nextText(schedule: Schedule, now: number): string {
  if (schedule.broken) return "broken";
  if (schedule.paused) return "paused";
  const next = millis(schedule.nextFire);
  if (next === undefined) return "never";
  return next > now ? `in ${duration(next - now)}` : "due now";
}

const overlaps: Record<OverlapPolicy, string> = {
  [OverlapPolicy.UNSPECIFIED]: "skip",
  [OverlapPolicy.SKIP]: "skip",
  [OverlapPolicy.QUEUE]: "queue",
  [OverlapPolicy.REPLACE]: "replace",
};
const misses: Record<MissedPolicy, string> = {
  [MissedPolicy.UNSPECIFIED]: "once",
  [MissedPolicy.ONCE]: "once",
  [MissedPolicy.SKIP]: "skip",
  [MissedPolicy.ALL]: "all",
};

export function overlapText(schedule: Schedule): string {
  return overlaps[schedule.overlap] ?? "unknown";
}

export function missedText(schedule: Schedule): string {
  return misses[schedule.missed] ?? "unknown";
}

/** `mon-fri 22:00-06:00`, or that there are none. */
export function windowsText(schedule: Schedule): string {
  return schedule.windows.join("; ") || "always";
}

/** What becomes of a firing outside the windows. */
export function outsideText(schedule: Schedule): string {
  return schedule.outside === OutsidePolicy.SKIP ? "skipped" : "waits for the next opening";
}

/** A moment on a clock in the schedule's zone: `Fri 2026-11-20 22:00:00`. */
export function inZone(at: Timestamp | undefined, zone: string): string {
  const ms = millis(at);
  if (ms === undefined) return "–";
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(ms)
      .map((part) => [part.type, part.value]),
  );
  return `${parts.weekday} ${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    const fields = {
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
    } as const;
    try {
      format = new Intl.DateTimeFormat("en-GB", { ...fields, timeZone: zone || "UTC" });
    } catch {
      // A zone that the service knows and this browser does not.
      format = new Intl.DateTimeFormat("en-GB", { ...fields, timeZone: "UTC" });
    }
    formats.set(zone, format);
  }
  return format;
}

export function firingTone(firing: Firing): Tone {
  return firing.outcome === FiringOutcome.FIRED ? "good" : "idle";
}

/** `Fired, 38 jobs` or `Skipped 12 due times`. */
export function firingText(firing: Firing): string {
  if (firing.outcome !== FiringOutcome.FIRED) {
    return firing.count > 1n ? `Skipped ${count(firing.count)} due times` : "Skipped";
  }
  return `Fired, ${plural(firing.jobsMade, "job")}`;
}

const causes: Record<string, string> = {
  window: "its window",
  overlap: "the jobs of an earlier firing",
  replace: "the jobs of an earlier firing to stop",
  missed: "its turn",
};

export function waitsText(waiting: WaitingFiring): string {
  return `waits for ${causes[waiting.waitsFor] ?? waiting.waitsFor}`;
}
