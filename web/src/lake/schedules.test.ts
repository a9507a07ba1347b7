import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import {
  FiringOutcome,
  FiringSchema,
  JobKind,
  MissedPolicy,
  OutsidePolicy,
  OverlapPolicy,
  ScheduleSchema,
} from "~/gen/firn/v1/maintenance_pb";
import { cli } from "./cli";
import { remainingText } from "./jobs";
import {
  firingText,
  inZone,
  missedText,
  nextText,
  outsideText,
  overlapText,
  scheduleMakes,
  scheduleState,
  windowsText,
} from "./schedules";

const noon = Date.UTC(2026, 5, 1, 12);

test("a schedule says what it makes, when, and by which policies", () => {
  const schedule = create(ScheduleSchema, {
    name: "nightly",
    kind: JobKind.COMPACT,
    table: { namespace: ["bronze"], name: "" },
    windows: ["fri 22:00-06:00", "sat,sun 00:00-24:00"],
    outside: OutsidePolicy.SKIP,
    overlap: OverlapPolicy.REPLACE,
    missed: MissedPolicy.ALL,
    nextFire: timestampFromMs(noon + 3 * 3_600_000),
  });
  expect(scheduleMakes(schedule)).toBe("Compaction of all tables of bronze");
  expect(windowsText(schedule)).toBe("fri 22:00-06:00; sat,sun 00:00-24:00");
  expect([outsideText(schedule), overlapText(schedule), missedText(schedule)]).toEqual(["skipped", "replace", "all"]);
  expect(nextText(schedule, noon)).toMatch(/^in 3 h/);
  expect(nextText(schedule, noon + 4 * 3_600_000)).toBe("due now");
  expect(nextText(create(ScheduleSchema, {}), noon)).toBe("never");
  expect(nextText(create(ScheduleSchema, { paused: true }), noon)).toBe("paused");
  expect(overlapText(create(ScheduleSchema, {}))).toBe("skip");
  expect(windowsText(create(ScheduleSchema, {}))).toBe("always");
});

test("a paused schedule is paused also while something waits", () => {
  const waiting = [{ waitsFor: "window" }];
  expect(scheduleState(create(ScheduleSchema, { waiting })).name).toBe("waiting");
  expect(scheduleState(create(ScheduleSchema, { waiting, paused: true })).name).toBe("paused");
  expect(scheduleState(create(ScheduleSchema, {})).name).toBe("active");
});

test("a schedule that cannot be used is broken, whatever else it is", () => {
  const broken = create(ScheduleSchema, { name: "cut", broken: "its record cannot be read", paused: true });
  expect(scheduleState(broken).name).toBe("broken");
  expect(nextText(broken, noon)).toBe("broken");
  expect(scheduleMakes(broken)).toBe("Its record cannot be read");
  expect(scheduleMakes(create(ScheduleSchema, { cron: "0 * * * *", broken: "zone", kind: JobKind.COMPACT }))).toBe(
    "Compaction of all tables",
  );
});

test("moments are those of a clock in the zone, and midnight is 00", () => {
  const at = timestampFromMs(Date.UTC(2026, 9, 25, 0, 30));
  expect(inZone(at, "Europe/Berlin")).toBe("Sun 2026-10-25 02:30:00");
  expect(inZone(timestampFromMs(Date.UTC(2026, 0, 1)), "")).toBe("Thu 2026-01-01 00:00:00");
  expect(inZone(timestampFromMs(Date.UTC(2026, 0, 1)), "No/Where")).toBe("Thu 2026-01-01 00:00:00");
  expect(inZone(undefined, "")).toBe("–");
});

test("a firing says what came of it", () => {
  expect(firingText(create(FiringSchema, { outcome: FiringOutcome.FIRED, count: 1n, jobsMade: 38 }))).toBe(
    "Fired, 38 jobs",
  );
  expect(firingText(create(FiringSchema, { outcome: FiringOutcome.SKIPPED, count: 1200n }))).toBe(
    "Skipped 1,200 due times",
  );
  expect(firingText(create(FiringSchema, { outcome: FiringOutcome.SKIPPED, count: 1n }))).toBe("Skipped");
});

test("what a button does has a command", () => {
  expect(cli.schedulePause("a b")).toBe("firn schedule pause 'a b'");
  expect(cli.scheduleRun("nightly")).toBe("firn schedule run nightly");
});

test("what is left of a job is said once it is known", () => {
  expect(remainingText(undefined)).toBe("");
  expect(remainingText({ seconds: 90n, nanos: 0 })).toBe("1 m 30 s left");
});
