import type { Event } from "~/gen/firn/v1/catalog_pb";
import { millis } from "./format";
import { figure } from "./snapshots";

export type Beat = { from: number; rows: number; promoted: number; compactions: number };

/**
 * Commits over time in bars of equal length, oldest first: rows that ingestion
 * added, rows that promotions added, and how many compactions there were. The
 * span ends with the newest event, so that a lake at rest still shows its day.
 */
export function rhythm(events: readonly Event[], bars: number): { beats: Beat[]; stepMs: number } {
  const commits = events.flatMap((event) => {
    const at = millis(event.at);
    return event.kind === "commit" && at !== undefined ? [{ event, at }] : [];
  });
  if (commits.length === 0) return { beats: [], stepMs: 0 };
  const first = Math.min(...commits.map((commit) => commit.at));
  const last = Math.max(...commits.map((commit) => commit.at));
  const stepMs = Math.max(1, (last - first) / bars);
  const beats = Array.from(
    { length: bars },
    (_, bar): Beat => ({ from: first + bar * stepMs, rows: 0, promoted: 0, compactions: 0 }),
  );
  for (const { event, at } of commits) {
    const beat = beats[Math.min(bars - 1, Math.floor((at - first) / stepMs))]!;
    const rows = figure(event.summary, "added-records") ?? 0;
    if (event.operation === "replace") beat.compactions++;
    else if (event.actor.startsWith("promote")) beat.promoted += rows;
    else beat.rows += rows;
  }
  return { beats, stepMs };
}

const WINDOW_MS = 600_000;

/**
 * Rows that ingestion committed in the last ten minutes, and their rate over the
 * time it took. `cut` says that the log as it was read, its newest `limit`
 * entries, does not reach back that far.
 */
export function inflow(
  events: readonly Event[],
  now: number,
  limit: number,
): { rows: bigint; perSecond: number; overMs: number; cut: boolean } {
  const from = now - WINDOW_MS;
  const recent = events.filter((event) => event.actor.startsWith("ingest") && (millis(event.at) ?? 0) > from);
  const rows = recent.reduce((sum, event) => sum + (figure(event.summary, "added-records") ?? 0), 0);
  const times = recent.map((event) => millis(event.at) ?? now);
  const overMs = times.length > 1 ? Math.max(...times) - Math.min(...times) : 0;
  const oldest = Math.min(...events.map((event) => millis(event.at) ?? now));
  return {
    rows: BigInt(rows),
    overMs,
    perSecond: overMs > 0 ? rows / (overMs / 1000) : 0,
    cut: events.length >= limit && oldest > from,
  };
}
