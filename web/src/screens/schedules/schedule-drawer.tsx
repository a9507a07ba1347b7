import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { Pause, Pencil, Play, Trash2, Zap } from "lucide-react";
import { useState } from "react";
import { useRefresh } from "~/app/live";
import { type Firing, MaintenanceService, OverlapPolicy, type Schedule } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { plural, sentence } from "~/lake/format";
import { misses, overlaps, policy, policyText } from "~/lake/schedule-draft";
import {
  firingText,
  firingTone,
  inZone,
  nextText,
  outsideText,
  scheduleMakes,
  scheduleState,
  unreadable,
  waitsText,
  windowsText,
} from "~/lake/schedules";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Drawer, Modal } from "~/ui/drawer";
import { Go } from "~/ui/go";
import { Facts } from "~/ui/layout";
import { useToast } from "~/ui/say";
import { Fault, Waiting } from "~/ui/states";
import { Status } from "~/ui/status";

/** One schedule: when it fires, by which policies, what became of its last due times. */
export function ScheduleDrawer({
  name,
  known,
  now,
  onClose,
  onEdit,
}: {
  name: string;
  known: Schedule | undefined;
  now: number;
  onClose: () => void;
  onEdit: (schedule: Schedule) => void;
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
      actions={schedule && <Actions schedule={schedule} onEdit={() => onEdit(schedule)} onRemoved={onClose} />}
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
  const overlap = policy(overlaps, schedule.overlap);
  const missed = policy(misses, schedule.missed);
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
          ["Overlap", policyText(overlap)],
          ["Missed", policyText(missed)],
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

function Actions({ schedule, onEdit, onRemoved }: { schedule: Schedule; onEdit: () => void; onRemoved: () => void }) {
  const [asking, setAsking] = useState<"" | "remove" | "run">("");
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
  const remove = useMutation(MaintenanceService.method.deleteSchedule, {
    onSuccess: () => {
      toast.done(`Removed ${name}. Jobs that it made stay.`);
      onRemoved();
      // Not the schedule itself: there is none to read any more.
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({
          schema: MaintenanceService.method.listSchedules,
          cardinality: "finite",
        }),
      });
    },
    onError: (error) => toast.failed(error, "remove the schedule"),
  });
  const pending = pause.isPending || resume.isPending || run.isPending || remove.isPending;
  const runNow = () => run.mutate({ name, requestId: requestId() });
  const replaces = schedule.overlap === OverlapPolicy.REPLACE;
  return (
    <>
      <CopyCli compact command={cli.schedule(name)} />
      <Button icon={<Pencil aria-hidden className="size-3.5" />} onClick={onEdit}>
        {schedule.broken ? "Put again" : "Edit"}
      </Button>
      <Button icon={<Trash2 aria-hidden className="size-3.5" />} kind="danger" onClick={() => setAsking("remove")}>
        Remove
      </Button>
      {asking === "remove" && (
        <Confirm
          title={`Remove ${name}?`}
          verb="Remove"
          danger
          pending={pending}
          command={cli.scheduleRemove(name)}
          onConfirm={() => remove.mutate({ name })}
          onClose={() => setAsking("")}
        >
          It does not fire again, and what it did is forgotten with it. Jobs that it made stay. To stop it for a while,
          pause it.
        </Confirm>
      )}
      {asking === "run" && (
        <Confirm
          title={`Run ${name} now?`}
          verb="Run now"
          pending={pending}
          command={cli.scheduleRun(name)}
          onConfirm={() => {
            setAsking("");
            runNow();
          }}
          onClose={() => setAsking("")}
        >
          Its overlap policy is replace: jobs of an earlier firing that are still active are cancelled.
        </Confirm>
      )}
      <span className="flex-1" />
      {!schedule.broken && (
        <>
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
            onClick={() => (replaces ? setAsking("run") : runNow())}
          >
            Run now
          </Button>
        </>
      )}
    </>
  );
}

/** Asks before something that cannot be taken back. */
function Confirm({
  title,
  verb,
  danger = false,
  pending,
  command,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  verb: string;
  danger?: boolean;
  pending: boolean;
  command: string;
  onConfirm: () => void;
  onClose: () => void;
  children: React.ReactNode;
}) {
  return (
    <Modal
      open
      onClose={onClose}
      title={title}
      actions={
        <>
          <CopyCli command={command} />
          <span className="flex-1" />
          <Button onClick={onClose}>Cancel</Button>
          <Button kind={danger ? "danger" : "primary"} disabled={pending} onClick={onConfirm}>
            {verb}
          </Button>
        </>
      }
    >
      <p className="text-ink-2">{children}</p>
    </Modal>
  );
}

/** Makes a repeated call the same one; off loopback the browser has no randomUUID. */
function requestId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("");
}
