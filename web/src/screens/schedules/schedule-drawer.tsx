import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { Pause, Play, Zap } from "lucide-react";
import { useRefresh } from "~/app/live";
import { type Firing, MaintenanceService, type Schedule } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { plural, sentence } from "~/lake/format";
import {
  firingText,
  firingTone,
  inZone,
  missedText,
  nextText,
  outsideText,
  overlapText,
  scheduleMakes,
  scheduleState,
  unreadable,
  waitsText,
  windowsText,
} from "~/lake/schedules";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Drawer } from "~/ui/drawer";
import { Go } from "~/ui/go";
import { Facts } from "~/ui/layout";
import { useToast } from "~/ui/say";
import { Fault, Waiting } from "~/ui/states";
import { Status } from "~/ui/status";

const overlapWhy: Record<string, string> = {
  skip: "skip: tables whose job is still active are left out",
  queue: "queue: one firing waits for the earlier jobs",
  replace: "replace: the earlier jobs are cancelled",
};

const missedWhy: Record<string, string> = {
  once: "once: after a silence one firing stands for all",
  skip: "skip: what was due in a silence is not made up for",
  all: "all: each is made up for, the latest 100 at the most",
};

/** One schedule: when it fires, by which policies, what became of its last due times. */
export function ScheduleDrawer({
  name,
  known,
  now,
  onClose,
}: {
  name: string;
  known: Schedule | undefined;
  now: number;
  onClose: () => void;
}) {
  const query = useQuery(
    MaintenanceService.method.getSchedule,
    { name },
    { enabled: name !== "", ...useRefresh(2000) },
  );
  const schedule = query.data?.schedule ?? known;
  return (
    <Drawer
      open={name !== ""}
      onClose={onClose}
      title={name}
      lead={schedule && <Status tone={scheduleState(schedule).tone}>{scheduleState(schedule).label}</Status>}
      actions={schedule && <Actions schedule={schedule} />}
    >
      {query.error && !schedule ? (
        <Fault error={query.error} doing={`open schedule ${name}`} retry={() => void query.refetch()} />
      ) : null}
      {!schedule && !query.error && <Waiting />}
      {schedule && <Body schedule={schedule} now={now} />}
    </Drawer>
  );
}

function Body({ schedule, now }: { schedule: Schedule; now: number }) {
  const zone = schedule.timeZone;
  const overlap = overlapText(schedule);
  const missed = missedText(schedule);
  if (unreadable(schedule)) return <Broken schedule={schedule} />;
  return (
    <>
      {schedule.broken && <Broken schedule={schedule} />}
      <Facts
        rows={[
          ["Makes", scheduleMakes(schedule)],
          ["Cron", <code key="cron">{schedule.cron}</code>],
          ["Time zone", zone || "UTC"],
          ["Next firing", nextText(schedule, now)],
          ["Windows", windowsText(schedule)],
          ...(schedule.windows.length > 0 ? [["Due outside", outsideText(schedule)] as [string, React.ReactNode]] : []),
          ["Overlap", overlapWhy[overlap] ?? overlap],
          ["Missed", missedWhy[missed] ?? missed],
        ]}
      />
      {schedule.waiting.length > 0 && (
        <div>
          <h3 className="eyebrow mb-2">Waits</h3>
          <ul className="space-y-1">
            {schedule.waiting.map((entry, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: firings wait in their order
              <li key={index}>
                {entry.due ? <span className="num">{inZone(entry.due, zone)}</span> : "Asked for"}{" "}
                <span className="text-ink-2">{waitsText(entry)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {schedule.upcoming.length > 0 && (
        <div>
          <h3 className="eyebrow mb-2">Will fire</h3>
          <ul className="num space-y-1 text-ink-2">
            {schedule.upcoming.map((at) => (
              <li key={at.seconds.toString()}>{inZone(at, zone)}</li>
            ))}
          </ul>
        </div>
      )}
      <div>
        <h3 className="eyebrow mb-2">Latest due times</h3>
        {schedule.firings.length === 0 ? (
          <p className="text-ink-3">Nothing was due yet.</p>
        ) : (
          <ul className="divide-y divide-line rounded-lg border border-line">
            {schedule.firings.map((firing, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the newest is first, and two may be due at one time
              <FiringRow key={index} firing={firing} zone={zone} />
            ))}
          </ul>
        )}
      </div>
    </>
  );
}

function Broken({ schedule }: { schedule: Schedule }) {
  return (
    <div className="rounded-lg border border-bad/30 bg-bad-soft/60 p-3">
      <p className="font-medium">It does not fire</p>
      <p className="mt-0.5 break-words text-ink-2">{sentence(schedule.broken)}</p>
      <p className="mt-0.5 text-ink-2">Put it again, or remove it. Other schedules are not concerned.</p>
    </div>
  );
}

function FiringRow({ firing, zone }: { firing: Firing; zone: string }) {
  return (
    <li className="px-3 py-2">
      <div className="flex gap-3">
        <span className="flex-1">
          <Status tone={firingTone(firing)}>{firingText(firing)}</Status>
        </span>
        <span className="num text-xs text-ink-2">
          {firing.due ? inZone(firing.due, zone) : inZone(firing.at, zone)}
        </span>
      </div>
      {firing.reason && <p className="pl-5 text-xs text-ink-2">{sentence(firing.reason)}</p>}
      {firing.leftOut > 0 && (
        <p className="pl-5 text-xs text-ink-2">{plural(firing.leftOut, "table")} left out, as a job is active.</p>
      )}
      {firing.jobs.length > 0 && (
        <p className="flex flex-wrap gap-x-2 pl-5 text-xs">
          {firing.jobs.slice(0, 5).map((id) => (
            <Go key={id} to="/jobs" search={{ job: id }} className="link">
              {id.slice(-8)}
            </Go>
          ))}
          {firing.jobsMade > 5 && <span className="text-ink-3">and {firing.jobsMade - 5} more</span>}
        </p>
      )}
    </li>
  );
}

function Actions({ schedule }: { schedule: Schedule }) {
  const toast = useToast();
  const client = useQueryClient();
  const name = schedule.name;
  const again = () =>
    void client.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: MaintenanceService, cardinality: undefined }),
    });
  const pause = useMutation(MaintenanceService.method.pauseSchedule, {
    onSuccess: () => {
      toast.done("Paused. What was waiting is skipped.");
      again();
    },
    onError: (error) => toast.failed(error, "pause the schedule"),
  });
  const resume = useMutation(MaintenanceService.method.resumeSchedule, {
    onSuccess: () => {
      toast.done("Resumed. What was due meanwhile is skipped.");
      again();
    },
    onError: (error) => toast.failed(error, "resume the schedule"),
  });
  const run = useMutation(MaintenanceService.method.runSchedule, {
    onSuccess: (answer) => {
      toast.done(answer.firing ? `${firingText(answer.firing)}.` : "It waits for the jobs of an earlier firing.");
      again();
    },
    onError: (error) => toast.failed(error, "run the schedule"),
  });
  const pending = pause.isPending || resume.isPending || run.isPending;
  if (schedule.broken) return <CopyCli command={cli.schedule(name)} />;
  return (
    <>
      <CopyCli command={cli.schedule(name)} />
      <span className="flex-1" />
      <CopyCli compact command={schedule.paused ? cli.scheduleResume(name) : cli.schedulePause(name)} />
      {schedule.paused ? (
        <Button
          icon={<Play aria-hidden className="size-3.5" />}
          disabled={pending}
          onClick={() => resume.mutate({ name })}
        >
          Resume
        </Button>
      ) : (
        <Button
          icon={<Pause aria-hidden className="size-3.5" />}
          disabled={pending}
          onClick={() => pause.mutate({ name })}
        >
          Pause
        </Button>
      )}
      <CopyCli compact command={cli.scheduleRun(name)} />
      <Button
        kind="primary"
        icon={<Zap aria-hidden className="size-3.5" />}
        disabled={pending}
        onClick={() => run.mutate({ name, requestId: requestId() })}
      >
        Run now
      </Button>
    </>
  );
}

/** Makes a repeated call the same one; off loopback the browser has no randomUUID. */
function requestId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("");
}
