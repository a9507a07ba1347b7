import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import {
  JobKind,
  MissedPolicy,
  OutsidePolicy,
  OverlapPolicy,
  type Schedule,
  ScheduleFaultSchema,
  type ScheduleSchema,
} from "~/gen/firn/v1/maintenance_pb";
import { arg } from "./cli";
import { sentence } from "./format";
import { jobKinds } from "./jobs";
import { parseTable, type RefInit, tableName } from "./name";

/** A schedule as somebody is writing it: texts as they were typed. */
export type Draft = {
  name: string;
  kind: JobKind;
  on: "all" | "namespace" | "table";
  namespace: string;
  table: string;
  model: string;
  cron: string;
  timeZone: string;
  /** One a line. */
  windows: string;
  outside: OutsidePolicy;
  overlap: OverlapPolicy;
  missed: MissedPolicy;
};

/** A choice of a policy: the word of the command line, and what it comes to. The first is the default. */
export type Policy<P> = { value: P; word: string; label: string; why: string };

export const outsides: readonly Policy<OutsidePolicy>[] = [
  { value: OutsidePolicy.WAIT, word: "wait", label: "wait", why: "It waits for the next opening; one firing waits." },
  { value: OutsidePolicy.SKIP, word: "skip", label: "skip", why: "It is skipped." },
];

export const overlaps: readonly Policy<OverlapPolicy>[] = [
  {
    value: OverlapPolicy.SKIP,
    word: "skip",
    label: "skip",
    why: "Tables whose job is still active are left out.",
  },
  { value: OverlapPolicy.QUEUE, word: "queue", label: "queue", why: "One firing waits for the earlier jobs." },
  { value: OverlapPolicy.REPLACE, word: "replace", label: "replace", why: "The earlier jobs are cancelled." },
];

export const misses: readonly Policy<MissedPolicy>[] = [
  { value: MissedPolicy.ONCE, word: "once", label: "once", why: "After a silence one firing stands for all." },
  { value: MissedPolicy.SKIP, word: "skip", label: "skip", why: "What was due in a silence is not made up for." },
  { value: MissedPolicy.ALL, word: "all", label: "all", why: "Each is made up for, the latest 100 at the most." },
];

/** What a kind of job does. */
export const kindWhy: Record<number, string> = {
  [JobKind.COMPACT]: "Small files become large ones; deletes are folded in.",
  [JobKind.REBALANCE]: "Takes the next step that cools hot partitions.",
  [JobKind.EXPIRE]: "Removes snapshots past the table's retention.",
  [JobKind.MANIFESTS]: "Sorts manifests by partition; drops deletes of nothing.",
  [JobKind.ORPHANS]: "Removes files that no retained snapshot reaches.",
  [JobKind.PROMOTE]: "Brings what is new into a model's table.",
};

/** The chosen one; the default for a number that is none. */
export function policy<P>(choices: readonly Policy<P>[], value: P): Policy<P> {
  return (choices.find((choice) => choice.value === value) ?? choices[0]) as Policy<P>;
}

/** `queue: one firing waits for the earlier jobs.` */
export function policyText<P>({ word, why }: Policy<P>): string {
  return `${word}: ${why.charAt(0).toLowerCase()}${why.slice(1)}`;
}

/** What a new schedule begins with. */
export function newDraft(timeZone = ""): Draft {
  return {
    name: "",
    kind: JobKind.COMPACT,
    on: "all",
    namespace: "",
    table: "",
    model: "",
    cron: "0 2 * * *",
    timeZone: timeZone === "UTC" ? "" : timeZone,
    windows: "",
    outside: OutsidePolicy.WAIT,
    overlap: OverlapPolicy.SKIP,
    missed: MissedPolicy.ONCE,
  };
}

/** A schedule that there is. Of one whose record cannot be read only the name is known. */
export function draftOf(schedule: Schedule): Draft {
  const { table } = schedule;
  const begin = newDraft();
  return {
    ...begin,
    name: schedule.name,
    kind: schedule.kind || begin.kind,
    on: table?.name ? "table" : table && table.namespace.length > 0 ? "namespace" : "all",
    namespace: table && !table.name ? table.namespace.join(".") : "",
    table: tableName(table),
    model: schedule.model,
    cron: schedule.cron || begin.cron,
    timeZone: schedule.timeZone,
    windows: schedule.windows.join("\n"),
    outside: policy(outsides, schedule.outside).value,
    overlap: policy(overlaps, schedule.overlap).value,
    missed: policy(misses, schedule.missed).value,
  };
}

/** What the service is asked for. Known tables have the levels that the catalog says; a name alone does not tell them. */
export function scheduleOf(draft: Draft, known: readonly RefInit[] = []): MessageInitShape<typeof ScheduleSchema> {
  const promote = draft.kind === JobKind.PROMOTE;
  const table = promote ? undefined : tableOf(draft, known);
  return {
    name: draft.name.trim(),
    cron: draft.cron.trim(),
    timeZone: draft.timeZone.trim(),
    kind: draft.kind,
    model: promote ? draft.model.trim() : "",
    windows: windowsOf(draft),
    outside: draft.outside,
    overlap: draft.overlap,
    missed: draft.missed,
    ...(table ? { table } : {}),
  };
}

function tableOf(draft: Draft, known: readonly RefInit[]): RefInit | undefined {
  if (draft.on === "table") {
    const name = draft.table.trim();
    const ref = known.find((entry) => tableName(entry) === name) ?? parseTable(name);
    return { namespace: [...ref.namespace], name: ref.name };
  }
  if (draft.on === "namespace" && draft.namespace) {
    const ref = known.find((entry) => entry.namespace.join(".") === draft.namespace);
    return { namespace: ref ? [...ref.namespace] : draft.namespace.split("."), name: "" };
  }
  return undefined;
}

export function windowsOf(draft: Draft): string[] {
  return draft.windows
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** What the page sees itself, by field; the service says the rest. */
export function missing(draft: Draft): Record<string, string> {
  if (draft.kind === JobKind.PROMOTE) return {};
  if (draft.on === "namespace" && !draft.namespace) return { table: "Choose a namespace." };
  if (draft.on === "table" && !/^[^.]+(\.[^.]+)+$/.test(draft.table.trim())) {
    return { table: "A table is named namespace.table." };
  }
  return {};
}

/** A name for what the draft makes, which no other schedule has. */
export function nameFor(draft: Draft, taken: readonly string[]): string {
  const kind = jobKinds.find((entry) => entry.kind === draft.kind)?.name ?? "job";
  const on =
    draft.kind === JobKind.PROMOTE
      ? draft.model
      : draft.on === "table"
        ? draft.table
        : draft.on === "namespace"
          ? draft.namespace
          : "all";
  const base = [kind, on.trim()]
    .filter((part) => part !== "")
    .join("-")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, 90);
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!taken.includes(name)) return name;
  }
}

/** The command line that puts the same. */
export function putCommand(draft: Draft): string {
  const words = ["firn schedule put", arg(draft.name.trim()), "--cron", arg(draft.cron.trim())];
  const flag = (name: string, value: string) => value && words.push(`--${name}`, arg(value));
  flag("time-zone", draft.timeZone.trim());
  if (draft.kind !== JobKind.COMPACT) {
    flag("kind", jobKinds.find((entry) => entry.kind === draft.kind)?.name ?? "");
  }
  if (draft.kind === JobKind.PROMOTE) flag("model", draft.model.trim());
  else if (draft.on === "table") flag("table", draft.table.trim());
  else if (draft.on === "namespace") flag("namespace", draft.namespace);
  for (const window of windowsOf(draft)) flag("window", window);
  if (draft.outside !== OutsidePolicy.WAIT) flag("outside", policy(outsides, draft.outside).word);
  if (draft.overlap !== OverlapPolicy.SKIP) flag("overlap", policy(overlaps, draft.overlap).word);
  if (draft.missed !== MissedPolicy.ONCE) flag("missed", policy(misses, draft.missed).word);
  return words.join(" ");
}

/** What the service says is wrong, by the field of Schedule; undefined when its answer is about something else. */
export function faultsOf(error: unknown): Record<string, string> | undefined {
  if (!error) return undefined;
  const faults = ConnectError.from(error).findDetails(ScheduleFaultSchema);
  if (faults.length === 0) return undefined;
  const out: Record<string, string> = {};
  for (const { field, what, why } of faults) {
    out[field] = [out[field], sentence(`${what}: ${why}`)].filter(Boolean).join(" ");
  }
  return out;
}
