import { useJobs, useTable } from "~/api/queries";
import { useNow } from "~/app/live";
import { cli } from "~/lake/cli";
import { ago, bytes, count, plural, sentence, times } from "~/lake/format";
import { excessFiles, healthLabel, healthTone, remedy } from "~/lake/health";
import { flowOf, jobKind, jobState } from "~/lake/jobs";
import { CopyCli } from "~/ui/copy";
import { Go } from "~/ui/go";
import { Card, Figure, Figures } from "~/ui/layout";
import { Empty } from "~/ui/states";
import { Status } from "~/ui/status";
import { CompactButton } from "./compact";
import { useTableName } from "./name";
import { PolicyCard } from "./policy-card";

const names: Record<string, string> = {
  small_files: "Small files",
  delete_files: "Delete files",
  skew: "Partition skew",
  snapshots: "Snapshots",
  oversized: "Oversized files",
  over_partitioned: "Too many partitions",
};

/** Why the table has its score, and what to do about each point lost. */
export default function HealthTab() {
  const name = useTableName();
  const table = useTable(name);
  const jobs = useJobs({ table: name, limit: 10 });
  const now = useNow();
  const health = table.data?.summary?.health;
  if (!table.data) return null;
  if (!health || health.score < 0) {
    return (
      <Empty title="The health is not measured yet.">
        The compactor measures a table from its commits; it does so within moments when the process has the compactor's
        role.
      </Empty>
    );
  }
  const reasons = [...health.reasons].sort((a, b) => b.points - a.points);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <div className="min-w-0 space-y-4">
        <Card flush title="Why this score" aside={<CopyCli command={cli.health(name)} />}>
          <div className="flex items-center gap-5 border-b border-line px-5 py-4">
            <Dial score={health.score} />
            <div>
              <p className="text-base font-semibold">
                <Status tone={healthTone(health.score)}>{healthLabel(health)}</Status>
              </p>
              <p className="text-ink-2">
                100 points, less{" "}
                {reasons.length === 0
                  ? "nothing"
                  : reasons
                      .map((reason) => `${reason.points} for ${(names[reason.code] ?? reason.code).toLowerCase()}`)
                      .join(", ")}
                .
              </p>
            </div>
          </div>
          {reasons.length === 0 && <Empty small title="No point is lost." />}
          <ul className="divide-y divide-line">
            {reasons.map((reason) => {
              const help = remedy(reason.code);
              return (
                <li key={reason.code} className="flex flex-wrap items-start gap-x-4 gap-y-2 px-5 py-3.5">
                  <span className="num w-12 shrink-0 text-right text-base leading-6 font-semibold text-warn">
                    −{reason.points}
                  </span>
                  <div className="min-w-0 grow basis-40">
                    <p className="font-medium">{names[reason.code] ?? reason.code}</p>
                    <p className="text-ink-2">{sentence(reason.message)}</p>
                    {help.text && <p className="text-ink-3">{help.text}</p>}
                  </div>
                  {help.action !== "none" && (
                    <CompactButton table={name} what={help.action} primary={reason === reasons[0]} />
                  )}
                  {help.action === "rebalance" && (
                    <Go
                      to="/tables/$table"
                      params={{ table: name }}
                      search={{ tab: "partitions" }}
                      className="link leading-7"
                    >
                      See partitions
                    </Go>
                  )}
                </li>
              );
            })}
          </ul>
        </Card>
        {health.whyNot && (
          <Card title="Why it is not compacted now">
            <p className="text-ink-2">{sentence(health.whyNot)}</p>
          </Card>
        )}
      </div>
      <div className="min-w-0 space-y-4">
        <Figures>
          <Figure
            label="Small files"
            value={count(health.smallFiles)}
            note={`of ${plural(table.data.summary?.dataFiles ?? 0n, "file")}`}
            why={`Files below three quarters of the target size. ${count(excessFiles(health))} of them can go: one may stay in each partition.`}
          />
          <Figure
            label="Average file"
            value={bytes(health.averageFileBytes)}
            note="size over files"
            why="Of the live data files. Readers pay for each file, so a larger average is a faster scan."
          />
          <Figure
            label="Skew"
            value={times(health.skew || 1)}
            note="largest over median"
            why="Bytes of the largest partition over those of the median one."
          />
          <Figure
            label="Partitions"
            value={count(health.partitions)}
            note="with live files"
            why="Files are joined inside a partition only."
          />
        </Figures>
        <PolicyCard table={name} />
        <Card flush title="Latest jobs">
          {(jobs.data?.jobs.length ?? 0) === 0 && (
            <Empty small title="No job has run on this table." command={cli.compactDry(name)} />
          )}
          <ul className="divide-y divide-line">
            {jobs.data?.jobs.map((job) => {
              const state = jobState(job.state);
              return (
                <li key={job.id} className="px-4 py-2 text-xs">
                  <Go to="/jobs" search={{ job: job.id }} className="flex items-center gap-2 hover:underline">
                    <Status tone={state.tone}>{jobKind(job.kind)}</Status>
                    <span className="ml-auto text-ink-3">{ago(job.createdAt, now)}</span>
                  </Go>
                  <p className="num mt-0.5 truncate text-ink-3">{flowOf(job) || job.reason}</p>
                </li>
              );
            })}
          </ul>
        </Card>
      </div>
    </div>
  );
}

function Dial({ score }: { score: number }) {
  const tone = healthTone(score);
  const turn = 2 * Math.PI * 26;
  return (
    <svg viewBox="0 0 64 64" className="size-16 shrink-0" role="img" aria-label={`Health ${score} of 100`}>
      <circle cx="32" cy="32" r="26" fill="none" stroke="var(--sunken)" strokeWidth="6" />
      <circle
        cx="32"
        cy="32"
        r="26"
        fill="none"
        stroke={`var(--${tone})`}
        strokeWidth="6"
        strokeLinecap="round"
        strokeDasharray={`${(turn * score) / 100} ${turn}`}
        transform="rotate(-90 32 32)"
      />
      <text x="32" y="38" textAnchor="middle" fontSize="18" fontWeight="600" fill="var(--ink)">
        {score}
      </text>
    </svg>
  );
}
