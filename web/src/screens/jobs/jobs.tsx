import { useMemo } from "react";
import { useJobs } from "~/api/queries";
import { useLive, useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { Job } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { ago, bytes, count, millis, percent, plural } from "~/lake/format";
import {
  countOf,
  flowOf,
  jobKind,
  jobKinds,
  jobState,
  jobStates,
  progressOf,
  remainingText,
  savedBytes,
} from "~/lake/jobs";
import { tableName } from "~/lake/name";
import { tookCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { Facets } from "~/ui/filters";
import { Go } from "~/ui/go";
import { Bar } from "~/ui/layout";
import { Choice, ListCard, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import { Empty } from "~/ui/states";
import { Status } from "~/ui/status";
import { JobDrawer } from "./job-drawer";

const LIMIT = 1000;

export default function Jobs() {
  const [filters, setFilters] = useFilters();
  const { state = "", kind = "", q = "", job = "" } = filters;
  const chosen = jobStates.find((entry) => entry.name === state);
  const jobs = useJobs({ limit: LIMIT, ...(chosen ? { states: [chosen.state] } : {}) });
  const { paused } = useLive();
  const now = useNow(1000);
  const shown = useMemo(() => {
    const wanted = jobKinds.find((entry) => entry.name === kind)?.kind;
    const entries = (jobs.data?.jobs ?? []).filter((entry) => wanted === undefined || entry.kind === wanted);
    return matching(entries, q, (entry) =>
      [entry.id, tableName(entry.table), entry.model, entry.reason, entry.trigger, entry.tier].join(" "),
    );
  }, [jobs.data, kind, q]);
  const columns = useMemo(() => columnsAt(now), [now]);
  const counts = jobs.data?.counts ?? {};
  const total = jobStates.reduce((sum, entry) => sum + countOf(counts, entry.name), 0n);
  const of = chosen ? countOf(counts, chosen.name) : total;
  return (
    <ListScreen
      title="Jobs"
      lead={`Maintenance and promotions, durable over restarts.${BigInt(LIMIT) < of ? ` The newest ${count(LIMIT)} of ${count(of)}.` : ""}${paused ? " Refresh is paused." : ""}`}
      actions={
        <>
          <TextFilter label="Filter jobs" />
          <Choice
            label="Kind"
            name="kind"
            options={[
              { value: "", label: "Any kind" },
              ...jobKinds.map((entry) => ({ value: entry.name, label: entry.label })),
            ]}
          />
          <Go to="/schedules" className="link text-xs">
            Schedules
          </Go>
          <CopyCli command={cli.jobs(state)} />
        </>
      }
      facets={
        <Facets
          label="State"
          value={state}
          onChange={(value) => setFilters({ state: value })}
          all={{ value: "", label: "All", count: total }}
          facets={jobStates.map((entry) => ({
            value: entry.name,
            // A state that no job is in raises no alarm.
            label: <Status tone={countOf(counts, entry.name) > 0n ? entry.tone : "idle"}>{entry.label}</Status>,
            count: countOf(counts, entry.name),
          }))}
        />
      }
    >
      <ListCard
        query={jobs}
        doing="list the jobs"
        label="Jobs"
        columns={columns}
        rows={shown}
        rowId={(entry) => entry.id}
        rowHeight={50}
        selected={job}
        onOpen={(entry) => setFilters({ job: entry.id }, true)}
        empty={
          total === 0n ? (
            <Empty title="No job yet.">
              Jobs start by themselves when commits leave small files, on a schedule, or when somebody asks.
            </Empty>
          ) : (
            <NoneLike what="job" all={plural(total, "job")} filters={["state", "kind", "q"]} />
          )
        }
      />
      <JobDrawer
        id={job}
        known={jobs.data?.jobs.find((entry) => entry.id === job)}
        now={now}
        onClose={() => setFilters({ job: undefined })}
      />
    </ListScreen>
  );
}

function columnsAt(now: number): Col<Job>[] {
  return [
    {
      id: "state",
      head: "State",
      width: "8.5rem",
      by: (job) => job.state,
      cell: (job) => {
        const state = jobState(job.state);
        return (
          <div>
            <Status tone={state.tone}>{state.label}</Status>
            {job.attempt > 1 && <div className="pl-5 text-2xs text-ink-3">attempt {job.attempt}</div>}
          </div>
        );
      },
    },
    {
      id: "what",
      head: "What",
      least: "18rem",
      by: (job) => job.model || tableName(job.table),
      cell: (job) => (
        <div className="min-w-0">
          <div className="truncate">
            <span className="font-medium">{job.model || tableName(job.table) || "all tables"}</span>{" "}
            <span className="text-ink-3">
              {jobKind(job.kind).toLowerCase()}
              {job.tier && `, ${job.tier}`}
            </span>
          </div>
          <div className="truncate text-xs text-ink-2" title={job.error || job.reason}>
            {job.error ? <span className="text-bad">{job.error}</span> : job.reason}
          </div>
        </div>
      ),
    },
    {
      id: "progress",
      head: "Progress",
      width: "9rem",
      cell: (job) => {
        const share = progressOf(job);
        const state = jobState(job.state);
        if (state.name === "queued") return <span className="text-ink-3">waits for a worker</span>;
        if (state.name !== "running") {
          const stopped = state.name !== "succeeded" && job.progress?.step;
          return <span className="text-xs text-ink-3">{stopped ? `stopped at ${stopped}` : ""}</span>;
        }
        return (
          <div>
            <div className="num mb-1 flex text-2xs text-ink-2">
              <span className="flex-1">{job.progress?.step || "starting"}</span>
              {remainingText(job.progress?.remaining) || (share !== undefined && percent(share))}
            </div>
            <Bar share={share} label={`Progress of job ${job.id}`} tone="bg-busy-fill" />
          </div>
        );
      },
    },
    {
      id: "flow",
      head: "Input → output",
      width: "15rem",
      by: (job) => job.bytesIn,
      cell: (job) => (
        <span className="num text-ink-2">{flowOf(job) || (job.rows > 0n ? plural(job.rows, "row") : "–")}</span>
      ),
    },
    {
      id: "saved",
      head: "Saved",
      width: "6rem",
      align: "right",
      by: (job) => savedBytes(job),
      cell: (job) => {
        const saved = savedBytes(job);
        if (saved === undefined) return "–";
        return saved < 0n ? <span className="text-ink-3">−{bytes(-saved)}</span> : bytes(saved);
      },
    },
    tookCol(now),
    {
      id: "created",
      head: "Created",
      width: "7.5rem",
      align: "right",
      by: (job) => millis(job.createdAt),
      cell: (job) => (
        <div className="text-ink-2">
          {ago(job.createdAt, now)}
          <div className="text-2xs text-ink-3">by {job.trigger || "unknown"}</div>
        </div>
      ),
    },
  ];
}
