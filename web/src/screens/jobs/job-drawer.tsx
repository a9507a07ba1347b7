import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { Ban, RotateCw } from "lucide-react";
import { useRefresh } from "~/app/live";
import { type Job, JobKind, MaintenanceService } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { bytes, count, duration, elapsed, moment, plural, sentence } from "~/lake/format";
import { amountText, jobKind, jobState, mayCancel, mayRetry, progressOf, remainingText, savedBytes } from "~/lake/jobs";
import { tableName } from "~/lake/name";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Drawer } from "~/ui/drawer";
import { Go, TableLink } from "~/ui/go";
import { Bar, Facts } from "~/ui/layout";
import { useToast } from "~/ui/say";
import { Fault, Waiting } from "~/ui/states";
import { Status } from "~/ui/status";

/** One job: why it exists, where it is, what came of it and how that was proved. */
export function JobDrawer({
  id,
  known,
  now,
  onClose,
}: {
  id: string;
  known: Job | undefined;
  now: number;
  onClose: () => void;
}) {
  const query = useQuery(MaintenanceService.method.getJob, { id }, { enabled: id !== "", ...useRefresh(1500) });
  const job = query.data?.job ?? known;
  return (
    <Drawer
      open={id !== ""}
      onClose={onClose}
      title={job ? `${jobKind(job.kind)} of ${job.model || tableName(job.table) || "all tables"}` : "Job"}
      lead={job && <Status tone={jobState(job.state).tone}>{jobState(job.state).label}</Status>}
      actions={job && <Actions job={job} />}
    >
      {query.error && !job ? (
        <Fault error={query.error} doing={`open job ${id}`} retry={() => void query.refetch()} />
      ) : null}
      {!job && !query.error && <Waiting />}
      {job && <Body job={job} now={now} />}
    </Drawer>
  );
}

function Body({ job, now }: { job: Job; now: number }) {
  const share = progressOf(job);
  const saved = savedBytes(job);
  const ms = elapsed(job, now);
  const proof = Object.entries(job.proof).sort();
  return (
    <>
      {jobState(job.state).name === "running" && (
        <div>
          <div className="num mb-1 flex text-xs text-ink-2">
            <span className="flex-1">{job.progress?.step || "starting"}</span>
            {amountText(job)}
            {job.progress?.remaining &&
              `, ${remainingText(job.progress.remaining)} at ${bytes(job.progress.bytesPerSecond)}/s`}
          </div>
          <Bar share={share} label="Progress" tone="bg-busy-fill" />
        </div>
      )}
      {job.error && (
        <div className="rounded-lg border border-bad/30 bg-bad-soft/60 p-3">
          <p className="font-medium">Attempt {job.attempt} failed</p>
          <p className="mt-0.5 break-words whitespace-pre-wrap text-ink-2">{job.error}</p>
        </div>
      )}
      <Facts
        rows={[
          ["Why", sentence(job.reason) || "No reason was recorded."],
          [
            "Started by",
            job.schedule ? (
              <Go key="schedule" to="/schedules" search={{ schedule: job.schedule }} className="link">
                schedule {job.schedule}
              </Go>
            ) : (
              job.trigger || "unknown"
            ),
          ],
          ...(job.worker ? [["Worker", <code key="worker">{job.worker}</code>] as [string, React.ReactNode]] : []),
          ["Table", tableName(job.table) ? <TableLink key="table" name={tableName(job.table)} /> : "–"],
          ...(job.model
            ? [
                [
                  "Model",
                  <Go key="model" to="/medallion" search={{ node: job.model }} className="link">
                    {job.model}
                  </Go>,
                ] as [string, React.ReactNode],
              ]
            : []),
          ["Created", moment(job.createdAt)],
          ["Started", moment(job.startedAt)],
          ["Took", ms === undefined ? "–" : duration(ms)],
          ["Attempt", String(job.attempt)],
          [
            "Id",
            <code key="id" className="break-all">
              {job.id}
            </code>,
          ],
        ]}
      />
      {(job.filesIn > 0n || job.rows > 0n) && (
        <div>
          <h3 className="eyebrow mb-2">Input and output</h3>
          <table className="grid-table rounded-lg border border-line" aria-label="Input and output">
            <thead>
              <tr>
                <th scope="col">
                  <span className="sr-only">Figure</span>
                </th>
                <th scope="col" className="text-right!">
                  In
                </th>
                <th scope="col" className="text-right!">
                  Out
                </th>
              </tr>
            </thead>
            <tbody className="num">
              <tr className="h-8">
                <th scope="row" className="static!">
                  Files
                </th>
                <td className="text-right">{count(job.filesIn)}</td>
                <td className="text-right">{job.filesOut > 0n ? count(job.filesOut) : "–"}</td>
              </tr>
              <tr className="h-8">
                <th scope="row" className="static!">
                  Size
                </th>
                <td className="text-right">{bytes(job.bytesIn)}</td>
                <td className="text-right">{job.bytesOut > 0n ? bytes(job.bytesOut) : "–"}</td>
              </tr>
            </tbody>
          </table>
          <p className="num mt-2 text-xs text-ink-3">
            {job.rows > 0n && plural(job.rows, "row")}
            {job.tier && `, tier ${job.tier}`}
            {saved !== undefined && `, ${saved < 0n ? `${bytes(-saved)} more than before` : `${bytes(saved)} saved`}`}
            {job.kind === JobKind.COMPACT &&
              job.filesOut > 0n &&
              `, ${(Number(job.filesIn) / Number(job.filesOut)).toFixed(1)} files became one`}
          </p>
        </div>
      )}
      {proof.length > 0 && (
        <div>
          <h3 className="eyebrow mb-2">
            {job.kind === JobKind.COMPACT ? "What proves that no row changed" : "What came of it"}
          </h3>
          <Facts
            rows={proof.map(([key, value]) => [
              key.replaceAll("_", " "),
              <span key="value" className="break-words">
                {/^\d+$/.test(value) ? count(BigInt(value)) : value}
              </span>,
            ])}
          />
        </div>
      )}
      {job.snapshotId !== 0n && tableName(job.table) && (
        <p className="text-ink-2">
          Committed as snapshot{" "}
          <TableLink name={tableName(job.table)} tab="snapshots" search={{ at: job.snapshotId.toString() }}>
            {job.snapshotId.toString()}
          </TableLink>
          .
        </p>
      )}
    </>
  );
}

function Actions({ job }: { job: Job }) {
  const toast = useToast();
  const client = useQueryClient();
  const again = () =>
    void client.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: MaintenanceService, cardinality: undefined }),
    });
  const cancel = useMutation(MaintenanceService.method.cancelJob, {
    onSuccess: () => {
      toast.done("Cancelled. What it had written is not referred to, and is removed later.");
      again();
    },
    onError: (error) => toast.failed(error, "cancel the job"),
  });
  const retry = useMutation(MaintenanceService.method.retryJob, {
    onSuccess: () => {
      toast.done("Queued again.");
      again();
    },
    onError: (error) => toast.failed(error, "retry the job"),
  });
  return (
    <>
      <CopyCli command={mayCancel(job) ? cli.cancel(job.id) : mayRetry(job) ? cli.retry(job.id) : cli.job(job.id)} />
      <span className="flex-1" />
      {mayCancel(job) && (
        <Button
          kind="danger"
          icon={<Ban aria-hidden className="size-3.5" />}
          disabled={cancel.isPending}
          onClick={() => cancel.mutate({ id: job.id })}
        >
          Cancel the job
        </Button>
      )}
      {mayRetry(job) && (
        <Button
          kind="primary"
          icon={<RotateCw aria-hidden className="size-3.5" />}
          disabled={retry.isPending}
          onClick={() => retry.mutate({ id: job.id })}
        >
          Retry
        </Button>
      )}
    </>
  );
}
