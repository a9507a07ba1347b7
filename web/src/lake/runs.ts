import { type Run, RunState } from "~/gen/firn/v1/model_pb";
import type { Tone } from "./health";

export function runState(state: RunState): { label: string; tone: Tone } {
  switch (state) {
    case RunState.RUNNING:
      return { label: "running", tone: "busy" };
    case RunState.SUCCEEDED:
      return { label: "succeeded", tone: "good" };
    case RunState.UP_TO_DATE:
      return { label: "up to date", tone: "good" };
    case RunState.FAILED:
      return { label: "failed", tone: "bad" };
    default:
      return { label: "never ran", tone: "idle" };
  }
}

export type StepBar = { name: string; ms: number; from: number; width: number };

/** The steps of a run on one line of time, 0 to 1. */
export function stepBars(run: Pick<Run, "steps">): StepBar[] {
  const total = run.steps.reduce((sum, step) => sum + step.elapsedMs, 0) || 1;
  let at = 0;
  return run.steps.map((step) => {
    const bar = { name: step.name, ms: step.elapsedMs, from: at / total, width: step.elapsedMs / total };
    at += step.elapsedMs;
    return bar;
  });
}
