import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  JobKind,
  MissedPolicy,
  OutsidePolicy,
  OverlapPolicy,
  ScheduleFaultSchema,
  ScheduleSchema,
} from "~/gen/firn/v1/maintenance_pb";
import {
  type Draft,
  draftOf,
  faultsOf,
  missing,
  nameFor,
  newDraft,
  overlaps,
  policy,
  policyText,
  putCommand,
  scheduleOf,
} from "./schedule-draft";

const full = {
  name: "nightly",
  cron: "0 2 * * *",
  timeZone: "Europe/Berlin",
  kind: JobKind.EXPIRE,
  model: "",
  table: { namespace: ["bronze"], name: "events" },
  windows: ["fri 22:00-06:00", "sat,sun 00:00-24:00"],
  outside: OutsidePolicy.SKIP,
  overlap: OverlapPolicy.QUEUE,
  missed: MissedPolicy.ALL,
};

test("a schedule that is edited and not changed is put as it was", () => {
  for (const schedule of [
    full,
    { ...full, table: { namespace: ["a", "b"], name: "" } },
    { ...full, kind: JobKind.PROMOTE, table: undefined, model: "silver.lines" },
  ]) {
    const { table, ...rest } = schedule;
    expect(scheduleOf(draftOf(create(ScheduleSchema, schedule)))).toEqual(table ? { ...rest, table } : rest);
  }
});

test("a number that is no policy is the default", () => {
  expect(policyText(policy(overlaps, OverlapPolicy.QUEUE))).toBe("queue: one firing waits for the earlier jobs.");
  expect(policy(overlaps, 9 as OverlapPolicy).word).toBe("skip");
});

test("of a record that cannot be read the name is kept, and the rest begins anew", () => {
  const draft = draftOf(create(ScheduleSchema, { name: "cut", broken: "cut" }));
  expect(draft).toEqual({ ...newDraft(), name: "cut" });
});

test("the levels of a table are those of the catalog", () => {
  const known = [{ namespace: ["a.b"], name: "t" }];
  const draft: Draft = { ...newDraft(), on: "table", table: " a.b.t " };
  expect(scheduleOf(draft, known).table).toEqual(known[0]);
  expect(scheduleOf(draft).table).toEqual({ namespace: ["a", "b"], name: "t" });
  expect(scheduleOf({ ...draft, on: "namespace", namespace: "a.b" }, known).table).toEqual({
    namespace: ["a.b"],
    name: "",
  });
  expect(scheduleOf({ ...draft, on: "all" }, known).table).toBeUndefined();
  expect(scheduleOf({ ...draft, kind: JobKind.PROMOTE }, known).table).toBeUndefined();
});

test("the command says what is not a default", () => {
  expect(putCommand({ ...newDraft("UTC"), name: "x" })).toBe("firn schedule put x --cron '0 2 * * *'");
  expect(putCommand(draftOf(create(ScheduleSchema, full)))).toBe(
    "firn schedule put nightly --cron '0 2 * * *' --time-zone Europe/Berlin --kind expire --table bronze.events" +
      " --window 'fri 22:00-06:00' --window 'sat,sun 00:00-24:00' --outside skip --overlap queue --missed all",
  );
  expect(putCommand({ ...newDraft(), name: "p", kind: JobKind.PROMOTE, model: "silver.lines", on: "table" })).toBe(
    "firn schedule put p --cron '0 2 * * *' --kind promote --model silver.lines",
  );
  expect(putCommand({ ...newDraft(), name: "n", on: "namespace", namespace: "a.b" })).toBe(
    "firn schedule put n --cron '0 2 * * *' --namespace a.b",
  );
});

test("a name is made of what is done to what, and is nobody else's", () => {
  const draft = newDraft();
  expect(nameFor(draft, [])).toBe("compact-all");
  expect(nameFor(draft, ["compact-all", "compact-all-2"])).toBe("compact-all-3");
  expect(nameFor({ ...draft, on: "table", table: "bronze.rows of a day" }, [])).toBe("compact-bronze.rows-of-a-day");
  expect(nameFor({ ...draft, kind: JobKind.PROMOTE }, [])).toBe("promote");
  expect(nameFor({ ...draft, on: "table", table: "x".repeat(200) }, []).length).toBeLessThanOrEqual(100);
});

test("what is not chosen yet is said before anybody is asked", () => {
  expect(missing(newDraft())).toEqual({});
  expect(missing({ ...newDraft(), on: "namespace" }).table).toBe("Choose a namespace.");
  for (const table of ["", "events", "bronze.", ".events"]) {
    expect(missing({ ...newDraft(), on: "table", table }).table, table).toMatch(/namespace\.table/);
  }
  expect(missing({ ...newDraft(), on: "table", table: "a.b.c" })).toEqual({});
  expect(missing({ ...newDraft(), on: "table", kind: JobKind.PROMOTE })).toEqual({});
});

test("the service's faults stand at their fields", () => {
  const fault = (field: string, what: string) => ({
    desc: ScheduleFaultSchema,
    value: { field, what, why: "so it is", help: "" },
  });
  const error = new ConnectError("cron", Code.InvalidArgument, undefined, [
    fault("cron", 'cron "x" cannot be read'),
    fault("windows", "window a"),
    fault("windows", "window b"),
  ]);
  expect(faultsOf(error)).toEqual({
    cron: 'Cron "x" cannot be read: so it is.',
    windows: "Window a: so it is. Window b: so it is.",
  });
  expect(faultsOf(new ConnectError("gone", Code.Unavailable))).toBeUndefined();
  expect(faultsOf(null)).toBeUndefined();
});
