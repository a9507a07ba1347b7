import { useQuery } from "@connectrpc/connect-query";
import { useMemo } from "react";
import { useJobs } from "~/api/queries";
import { useLive, useNow, useRefresh } from "~/app/live";
import { useFilters } from "~/app/search";
import { type Job, JobService } from "~/gen/firn/v1/job_pb";
import { cli } from "~/lake/cli";
import { ago, bytes, count, duration, millis, percent, plural } from "~/lake/format";
import { countOf, flowOf, jobKind, jobKinds, jobState, jobStates, progressOf, savedBytes } from "~/lake/jobs";
import { tableName } from "~/lake/name";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { Facets, FilterField, Select } from "~/ui/filters";
import { Bar, ScreenHead } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { JobDrawer } from "./job-drawer";
import { Schedules } from "./schedules";

export default function Jobs() {
  const [filters, setFilters] = useFilters();
  const { state = "", kind = "", q = "", job = "", sort = "" } = filters;
  const chosen = jobStates.find((entry) => entry.name === state);
  const jobs = useJobs({ limit: 1000, ...(chosen ? { states: [chosen.state] } : {}) });
  const schedules = useQuery(JobService.method.listSchedules, {}, useRefresh(15_000));
  const { paused } = useLive();
  const now = useNow(1000);
  const shown = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return (jobs.data?.jobs ?? []).filter((entry) => {
      if (kind && jobKinds.find((known) => known.kind === entry.kind)?.name !== kind) return false;
      const text =
        `${entry.id} ${tableName(entry.table)} ${entry.model} ${entry.reason} ${entry.trigger} ${entry.tier}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }, [jobs.data, kind, q]);
  const columns = useMemo(() => columnsAt(now), [now]);
  const counts = jobs.data?.counts ?? {};
  const total = jobStates.reduce((sum, entry) => sum + countOf(counts, entry.name), 0n);
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead
        title="Jobs"
        lead={`Maintenance and promotions, durable over restarts.${paused ? " Refresh is paused." : ""}`}
        actions={
          <>
            <FilterField value={q} onChange={(text) => setFilters({ q: text })} label="Filter jobs" />
            <Select
              label="Kind"
              value={kind}
              onChange={(value) => setFilters({ kind: value })}
              options={[
                { value: "", label: "Any kind" },
                ...jobKinds.map((entry) => ({ value: entry.name, label: entry.label })),
              ]}
            />
            <CopyCli command={cli.jobs(state)} />
          </>
        }
      />
      <div className="px-6 pb-3">
        <Facets
          label="State"
          value={state}
          onChange={(value) => setFilters({ state: value })}
          all={{ value: "", label: "All", count: total }}
          facets={jobStates.map((entry) => ({
            value: entry.name,
            label: <Status tone={entry.tone}>{entry.label}</Status>,
            count: countOf(counts, entry.name),
          }))}
        />
      </div>
      <div className="flex min-h-0 flex-1 flex-col gap-4 px-6 pb-6">
        <div className="card flex min-h-64 flex-1 flex-col overflow-hidden">
          <Loaded query={jobs} doing="list the jobs" rows={12}>
            {() => (
              <DataTable
                label="Jobs"
                className="flex-1"
                columns={columns}
                rows={shown}
                rowId={(entry) => entry.id}
                rowHeight={50}
                sort={sort}
                onSort={(value) => setFilters({ sort: value })}
                selected={job}
                onOpen={(entry) => setFilters({ job: entry.id }, true)}
                minWidth={1000}
                empty={
                  total === 0n ? (
                    <Empty title="No job yet." command="firn compact TABLE --wait">
                      Jobs start by themselves when commits leave small files, on a schedule, or when somebody asks.
                    </Empty>
                  ) : (
                    <Empty title="No job is like that.">
                      <button
                        type="button"
                        className="link"
                        onClick={() => setFilters({ state: undefined, kind: undefined, q: undefined })}
                      >
                        Show all {count(total)} jobs
                      </button>
                    </Empty>
                  )
                }
              />
            )}
          </Loaded>
        </div>
        <Schedules schedules={schedules.data?.schedules ?? []} now={now} />
      </div>
      <JobDrawer
        id={job}
        known={jobs.data?.jobs.find((entry) => entry.id === job)}
        now={now}
        onClose={() => setFilters({ job: undefined })}
      />
    </div>
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
      width: "10rem",
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
              {share !== undefined && percent(share)}
            </div>
            <Bar share={share} label={`Progress of job ${job.id}`} tone="bg-busy-fill" />
          </div>
        );
      },
    },
    {
      id: "flow",
      head: "Input → output",
      width: "16rem",
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
    {
      id: "time",
      head: "Took",
      width: "6rem",
      align: "right",
      by: (job) => took(job, now),
      cell: (job) => {
        const ms = took(job, now);
        return ms === undefined ? "–" : duration(ms);
      },
    },
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

/** How long a job ran, or has been running. */
export function took(job: Job, now: number): number | undefined {
  const from = millis(job.startedAt);
  if (from === undefined) return undefined;
  return Math.max(0, (millis(job.endedAt) ?? now) - from);
}
