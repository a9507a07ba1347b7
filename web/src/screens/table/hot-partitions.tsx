import { useState } from "react";
import { useHotPartitions } from "~/api/queries";
import { useNow } from "~/app/live";
import type { PartitionField } from "~/gen/firn/v1/common_pb";
import {
  type HotFix,
  type HotMeasure,
  type HotPartition,
  JobKind,
  type LadderRung,
} from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { ago, bytes, count, duration, percent, plural, sentence, times } from "~/lake/format";
import type { Tone } from "~/lake/health";
import { lookupChange, steps } from "~/lake/hot";
import { parseTable } from "~/lake/name";
import { partitionName } from "~/lake/partitions";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Modal } from "~/ui/drawer";
import { Go } from "~/ui/go";
import { Card } from "~/ui/layout";
import { Fault, Waiting } from "~/ui/states";
import { Status } from "~/ui/status";
import { CompactButton } from "./compact";
import { useSubmitJob } from "./submit";

const tones: Record<string, Tone> = {
  on: "good",
  ready: "warn",
  waits: "busy",
  asks: "warn",
  needs: "warn",
  idle: "idle",
};
const words: Record<string, string> = {
  on: "On",
  ready: "Ready",
  waits: "Waits",
  asks: "Asks you",
  needs: "Needs input",
  idle: "No use",
};

/** Which partitions are hot and by what, what is done about them, and what it brought. */
export function HotPartitions({ table }: { table: string }) {
  const query = useHotPartitions(table);
  const hot = query.data?.hot ?? [];
  const fixes = query.data?.fixes ?? [];
  const coarsen = query.data?.coarsen;
  return (
    <Card
      flush
      className="shrink-0"
      title="Hot partitions"
      aside={
        <>
          <CopyCli command={cli.hot(table)} />
          <CompactButton table={table} what="rebalance" />
        </>
      }
    >
      {query.error && <Fault error={query.error} doing="look for hot partitions" retry={() => void query.refetch()} />}
      {query.isPending && <Waiting rows={3} />}
      {query.data && hot.length === 0 && (
        <p className="px-4 py-3 text-ink-2">
          None: no partition stands out by its bytes, its share of commits or scans, fragments that pile up, or
          compactions that lose against writers.
        </p>
      )}
      <ul className="divide-y divide-line">
        {hot.map((partition) => (
          <HotOne key={partitionName(partition.partition)} table={table} hot={partition} />
        ))}
      </ul>
      {coarsen && coarsen.state !== "idle" && (
        <div className="border-t border-line px-4 py-3">
          <ul className="space-y-1.5" aria-label="Of all partitions">
            <Rung table={table} rung={coarsen} partition={[]} />
          </ul>
        </div>
      )}
      {fixes.length > 0 && <Fixes fixes={fixes} />}
    </Card>
  );
}

function HotOne({ table, hot }: { table: string; hot: HotPartition }) {
  const name = partitionName(hot.partition);
  return (
    <li className="space-y-2.5 px-4 py-3">
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
        <h3 className="font-semibold">{name}</h3>
        <span className="text-ink-2">
          {bytes(hot.bytes)} in {plural(hot.files, "file")}, {percent(hot.share)} of the table
        </span>
        {hot.active && <Status tone="busy">written to now</Status>}
      </div>
      <ul className="flex flex-wrap gap-x-5 gap-y-1" aria-label={`Why ${name} is hot`}>
        {hot.signals.map((signal) => (
          <li key={signal.code} className="flex items-baseline gap-1.5">
            <Status soft tone="warn">
              {signal.code}
            </Status>
            <span className="text-ink-2">{signal.message}</span>
          </li>
        ))}
      </ul>
      <ul className="space-y-1.5" aria-label={`What cools ${name}`}>
        {hot.ladder
          .filter((rung) => rung.step !== "coarsen")
          .map((rung) => (
            <Rung key={rung.step} table={table} rung={rung} partition={hot.partition} />
          ))}
      </ul>
    </li>
  );
}

/** A step of the ladder with its state and reason, and a button where somebody may ask for it. */
function Rung({ table, rung, partition }: { table: string; rung: LadderRung; partition: readonly PartitionField[] }) {
  const [open, setOpen] = useState(false);
  const step = steps[rung.step];
  const may = step?.asked && (rung.state === "asks" || rung.state === "ready" || rung.state === "waits");
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5">
      <span className="w-32 shrink-0 font-medium">{step?.name ?? rung.step}</span>
      <span className="w-24 shrink-0">
        <Status tone={tones[rung.state] ?? "idle"}>{words[rung.state] ?? rung.state}</Status>
      </span>
      <span className="min-w-0 grow basis-64 text-ink-2">{sentence(rung.reason)}</span>
      {may && (
        <Button onClick={() => setOpen(true)} aria-label={`Do it… ${step.name}, ${partitionName(partition)}`}>
          Do it…
        </Button>
      )}
      {open && <StepModal table={table} rung={rung} partition={partition} onClose={() => setOpen(false)} />}
    </li>
  );
}

function StepModal({
  table,
  rung,
  partition,
  onClose,
}: {
  table: string;
  rung: LadderRung;
  partition: readonly PartitionField[];
  onClose: () => void;
}) {
  const step = steps[rung.step];
  // A step of the whole table names no partition.
  const fields = rung.step === "coarsen" || rung.step === "object-paths" ? [] : [...partition];
  const words = fields.map((field) => (field.value === undefined ? field.name : `${field.name}=${field.value}`));
  const submit = useSubmitJob(`queue the step ${rung.step} of ${table}`, onClose);
  return (
    <Modal
      open
      onClose={onClose}
      title={`${step?.name ?? rung.step}: ${table}`}
      actions={
        <>
          <CopyCli command={cli.rebalanceStep(table, rung.step, words)} />
          <span className="flex-1" />
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            disabled={submit.isPending}
            onClick={() =>
              submit.mutate({
                table: parseTable(table),
                kind: JobKind.REBALANCE,
                step: rung.step,
                partition: fields,
              })
            }
          >
            {step?.name ?? rung.step}
          </Button>
        </>
      }
    >
      <p>{step?.what}</p>
      <p className="text-ink-2">{sentence(rung.reason)}</p>
      <p className="text-ink-2">
        No row changes: counts and column sums are compared before the commit, and older snapshots stay readable.
      </p>
    </Modal>
  );
}

/** The proof records: what was done, and the same lookups before and after. */
function Fixes({ fixes }: { fixes: readonly HotFix[] }) {
  const now = useNow();
  return (
    <div className="overflow-x-auto border-t border-line" tabIndex={0} role="region" aria-label="Proof records">
      <table className="grid-table" aria-label="What was done, and what it brought">
        <thead>
          <tr>
            <th scope="col">Done</th>
            <th scope="col">Files a lookup opens</th>
            <th scope="col">Bytes it reads</th>
            <th scope="col">Commits take</th>
            <th scope="col">Skew</th>
          </tr>
        </thead>
        <tbody>
          {fixes.map((fix) => (
            <tr key={fix.id}>
              <td className="py-2 align-top">
                <Go to="/jobs" search={{ job: fix.jobId }} className="link font-medium">
                  {steps[fix.step]?.name ?? fix.step}
                </Go>{" "}
                <span className="text-ink-3">{fix.at ? ago(fix.at, now) : ""}</span>
                <br />
                <span className="text-ink-2">
                  {fix.partition.length > 0 ? partitionName(fix.partition) : "all partitions"}, {fix.detail}
                </span>
              </td>
              <td className="py-2 align-top">
                <Changes fix={fix} of={(lookup) => lookup.files} show={(n) => count(Math.round(n * 10) / 10)} />
              </td>
              <td className="py-2 align-top">
                <Changes fix={fix} of={(lookup) => lookup.bytes} show={(n) => bytes(Math.round(n))} />
              </td>
              <td className="num py-2 align-top">
                {took(fix.before)} → {fix.after ? took(fix.after) : "…"}
              </td>
              <td className="num py-2 align-top">
                {times(fix.before?.skew ?? 0)} → {fix.after ? times(fix.after.skew) : "…"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function took(measure: HotMeasure | undefined): string {
  const p50 = measure?.commitP50;
  return p50 ? duration(Number(p50.seconds) * 1000 + p50.nanos / 1e6) : "–";
}

function Changes({
  fix,
  of,
  show,
}: {
  fix: HotFix;
  of: (lookup: { files: number; bytes: number }) => number;
  show: (n: number) => string;
}) {
  return (
    <ul>
      {lookupChange(fix).map((change) => (
        <li key={change.column} className="num">
          <span className="text-ink-3">{change.column}</span> {show(of(change.before))} →{" "}
          <span className="font-medium">{change.after ? show(of(change.after)) : "…"}</span>
        </li>
      ))}
    </ul>
  );
}
