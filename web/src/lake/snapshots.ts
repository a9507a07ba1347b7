import type { Snapshot } from "~/gen/firn/v1/catalog_pb";
import { millis } from "./format";

/** A number of a snapshot's summary; undefined when it is absent or not a number. */
export function figure(summary: Record<string, string>, key: string): number | undefined {
  const text = summary[key];
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  return Number(text);
}

export type Delta = { added: number; removed: number };

export function rowsDelta(snapshot: Snapshot): Delta {
  return {
    added: figure(snapshot.summary, "added-records") ?? 0,
    removed: figure(snapshot.summary, "deleted-records") ?? 0,
  };
}

export function filesDelta(snapshot: Snapshot): Delta {
  return {
    added: figure(snapshot.summary, "added-data-files") ?? 0,
    removed: figure(snapshot.summary, "deleted-data-files") ?? 0,
  };
}

export type Trend = {
  /** Seconds since the epoch, ascending. */
  at: number[];
  rows: (number | null)[];
  files: (number | null)[];
  bytes: (number | null)[];
  /** Positions in `at` where a compaction was committed. */
  compactions: number[];
};

/** Totals over time, from the summaries of snapshots in any order. */
export function trend(snapshots: readonly Snapshot[]): Trend {
  const sorted = [...snapshots].sort((a, b) => Number(a.sequenceNumber - b.sequenceNumber));
  const out: Trend = { at: [], rows: [], files: [], bytes: [], compactions: [] };
  for (const snapshot of sorted) {
    const at = millis(snapshot.committedAt);
    if (at === undefined) continue;
    if (snapshot.operation === "replace") out.compactions.push(out.at.length);
    out.at.push(at / 1000);
    out.rows.push(figure(snapshot.summary, "total-records") ?? null);
    out.files.push(figure(snapshot.summary, "total-data-files") ?? null);
    out.bytes.push(figure(snapshot.summary, "total-files-size") ?? null);
  }
  return out;
}

/** What a commit was, in one word for the eye. */
export function operationLabel(operation: string): string {
  return operation === "replace" ? "compaction" : operation || "commit";
}
