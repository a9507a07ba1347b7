import { type Run, RunState } from "~/gen/firn/v1/model_pb";

export type Term = {
  key: string;
  label: string;
  rows: bigint;
  /** What the term means, for the tooltip. */
  why: string;
};

export type Law = {
  left: Term[];
  right: Term[];
  leftSum: bigint;
  rightSum: bigint;
  holds: boolean;
  /** leftSum - rightSum: rows that nobody accounts for. */
  missing: bigint;
};

type Counts = Pick<
  Run,
  "read" | "liveBefore" | "liveAfter" | "superseded" | "stale" | "deleted" | "quarantined" | "dropped" | "filtered"
>;

/**
 * The conservation law of a promotion, in its two sides:
 * read + live before = live after + superseded + stale + deleted + quarantined
 * + dropped + filtered.
 */
export function law(run: Counts): Law {
  const left: Term[] = [
    { key: "read", label: "read", rows: run.read, why: "Rows read from the sources between the two snapshots." },
    {
      key: "live_before",
      label: "live before",
      rows: run.liveBefore,
      why: "Rows that the target held before the run.",
    },
  ];
  const right: Term[] = [
    { key: "live_after", label: "live after", rows: run.liveAfter, why: "Rows that the target holds now." },
    {
      key: "superseded",
      label: "superseded",
      rows: run.superseded,
      why: "Rows that a later row of the same key displaced, whichever run had published them.",
    },
    {
      key: "stale",
      label: "stale",
      rows: run.stale,
      why: "Rows read that came too late: the target held a later row of their key.",
    },
    { key: "deleted", label: "deleted", rows: run.deleted, why: "Rows removed by a delete of their key." },
    {
      key: "quarantined",
      label: "quarantined",
      rows: run.quarantined,
      why: "Rows left out by a rule and kept, with reason and payload, in the quarantine table.",
    },
    { key: "dropped", label: "dropped", rows: run.dropped, why: "Rows left out by a drop rule: counted, not kept." },
    { key: "filtered", label: "filtered", rows: run.filtered, why: "Rows that the model's own WHERE leaves out." },
  ];
  const leftSum = sum(left);
  const rightSum = sum(right);
  return { left, right, leftSum, rightSum, holds: leftSum === rightSum, missing: leftSum - rightSum };
}

/**
 * Whether the run is accounted for by rows: it has ended well, and its model is
 * no aggregate. The law of an aggregate is that gold equals its definition for
 * the groups it recomputed.
 */
export function hasLaw(run: Counts & Pick<Run, "groups" | "state">, mode = ""): boolean {
  if (mode === "aggregate" || run.groups > 0n) return false;
  if (run.state !== RunState.SUCCEEDED && run.state !== RunState.UP_TO_DATE) return false;
  const { leftSum, rightSum } = law(run);
  return leftSum > 0n || rightSum > 0n;
}

function sum(terms: Term[]): bigint {
  return terms.reduce((total, term) => total + term.rows, 0n);
}
