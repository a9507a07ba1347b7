import { type Job, JobKind, JobState } from "~/gen/firn/v1/maintenance_pb";
import { bytes, count, duration, percent, plural } from "./format";
import type { Tone } from "./health";

export const jobStates: { state: JobState; name: string; label: string; tone: Tone }[] = [
  { state: JobState.RUNNING, name: "running", label: "Running", tone: "busy" },
  { state: JobState.QUEUED, name: "queued", label: "Queued", tone: "idle" },
  { state: JobState.FAILED, name: "failed", label: "Failed", tone: "bad" },
  { state: JobState.SUCCEEDED, name: "succeeded", label: "Succeeded", tone: "good" },
  { state: JobState.CANCELLED, name: "cancelled", label: "Cancelled", tone: "idle" },
];

export function jobState(state: JobState) {
  return (
    jobStates.find((entry) => entry.state === state) ?? {
      state,
      name: "unknown",
      label: "Unknown",
      tone: "idle" as Tone,
    }
  );
}

export const jobKinds: { kind: JobKind; name: string; label: string }[] = [
  { kind: JobKind.COMPACT, name: "compact", label: "Compaction" },
  { kind: JobKind.REBALANCE, name: "rebalance", label: "Rebalance" },
  { kind: JobKind.EXPIRE, name: "expire", label: "Expiry" },
  { kind: JobKind.MANIFESTS, name: "manifests", label: "Manifests" },
  { kind: JobKind.ORPHANS, name: "orphans", label: "Orphans" },
  { kind: JobKind.PROMOTE, name: "promote", label: "Promotion" },
];

export function jobKind(kind: JobKind): string {
  return jobKinds.find((entry) => entry.kind === kind)?.label ?? "Job";
}

/** Jobs in a state, from the counts by state name, however the name is spelled. */
export function countOf(counts: Record<string, bigint>, name: string): bigint {
  for (const [key, n] of Object.entries(counts)) {
    if (key.toLowerCase().replace(/^job_state_/, "") === name) return n;
  }
  return 0n;
}

/** 0 to 1; undefined when the job cannot tell. */
export function progressOf(job: Job): number | undefined {
  const progress = job.progress;
  if (job.state === JobState.SUCCEEDED) return 1;
  if (!progress || progress.totalBytes === 0n) return undefined;
  return Math.min(1, Number(progress.doneBytes) / Number(progress.totalBytes));
}

/**
 * `24 MiB of 40 MiB, 60 %`; empty for jobs that count in objects or rows, which say so in
 * their step.
 */
export function amountText(job: Job): string {
  const share = progressOf(job);
  if (share === undefined || !job.progress || job.progress.totalBytes === 0n) return "";
  return `${bytes(job.progress.doneBytes)} of ${bytes(job.progress.totalBytes)}, ${percent(share)}`;
}

/** `3 m left`; empty until the job's own rate means something. */
export function remainingText(remaining: { seconds: bigint; nanos: number } | undefined): string {
  return remaining ? `${duration(Number(remaining.seconds) * 1000 + remaining.nanos / 1e6)} left` : "";
}

/** Bytes that a compaction saved; negative when the output is larger. */
export function savedBytes(job: Job): bigint | undefined {
  if (job.state !== JobState.SUCCEEDED || job.bytesIn === 0n || job.bytesOut === 0n) return undefined;
  return job.bytesIn - job.bytesOut;
}

/** `128 → 4 files, …` of a job; its input alone while there is no output. */
export function flowOf(job: Job): string {
  if (job.filesIn === 0n && job.filesOut === 0n) return "";
  if (job.filesOut === 0n) return `${plural(job.filesIn, "file")}, ${bytes(job.bytesIn)}`;
  return `${count(job.filesIn)} → ${count(job.filesOut)} files, ${bytes(job.bytesIn)} → ${bytes(job.bytesOut)}`;
}

export function mayCancel(job: Job): boolean {
  return job.state === JobState.QUEUED || job.state === JobState.RUNNING;
}

export function mayRetry(job: Job): boolean {
  return job.state === JobState.FAILED || job.state === JobState.CANCELLED;
}
