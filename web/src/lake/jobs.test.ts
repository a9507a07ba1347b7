import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { JobKind, JobSchema, JobState } from "~/gen/firn/v1/maintenance_pb";
import { amountText, progressOf } from "./jobs";

const MIB = 2 ** 20;

const running = (kind: JobKind, progress: { step: string; doneBytes?: bigint; totalBytes?: bigint }) =>
  create(JobSchema, { kind, state: JobState.RUNNING, progress });

test("a compaction says how many bytes of how many", () => {
  const job = running(JobKind.COMPACT, { step: "write", doneBytes: BigInt(24 * MIB), totalBytes: BigInt(40 * MIB) });
  expect(progressOf(job)).toBeCloseTo(0.6);
  expect(amountText(job)).toMatch(/^24(\.0)? MiB of 40(\.0)? MiB, 60 ?%$/);
});

test("objects and rows are not shown as bytes", () => {
  for (const job of [
    running(JobKind.ORPHANS, { step: "delete 1000 of 5000 objects" }),
    running(JobKind.PROMOTE, { step: "published 3145728 rows" }),
    create(JobSchema, { kind: JobKind.PROMOTE, state: JobState.SUCCEEDED, progress: { step: "published 5 rows" } }),
    create(JobSchema, { kind: JobKind.COMPACT, state: JobState.RUNNING }),
  ]) {
    expect(amountText(job)).toBe("");
  }
});
