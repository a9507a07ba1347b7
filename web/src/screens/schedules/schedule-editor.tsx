import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { useNow } from "~/app/live";
import { MaintenanceService, type Schedule } from "~/gen/firn/v1/maintenance_pb";
import { duration, millis, sentence } from "~/lake/format";
import {
  type Draft,
  draftOf,
  faultsOf,
  missing,
  nameFor,
  newDraft,
  putCommand,
  scheduleOf,
} from "~/lake/schedule-draft";
import { inZone, nextText, unreadable } from "~/lake/schedules";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Modal } from "~/ui/drawer";
import { useToast } from "~/ui/say";
import { Fault, Waiting } from "~/ui/states";
import { ScheduleForm, useRefs } from "./schedule-form";

/** Makes a schedule, or changes one. The service says as one types when it would fire, and what is wrong. */
export function ScheduleEditor({
  schedule,
  taken,
  onClose,
  onSaved,
}: {
  /** The one to change; a new one without it. */
  schedule?: Schedule | undefined;
  /** Names that are in use. */
  taken: readonly string[];
  onClose: () => void;
  onSaved: (name: string) => void;
}) {
  const form = useId();
  const toast = useToast();
  const client = useQueryClient();
  const refs = useRefs();
  const [edited, setDraft] = useState<Draft>(() =>
    schedule ? draftOf(schedule) : newDraft(Intl.DateTimeFormat().resolvedOptions().timeZone),
  );
  // Until somebody writes a name, it has one that says what it does.
  const [named, setNamed] = useState(schedule !== undefined);
  const draft = named ? edited : { ...edited, name: nameFor(edited, taken) };
  const set = (change: Partial<Draft>) => {
    if (change.name !== undefined) setNamed(true);
    setDraft({ ...edited, ...change });
  };
  const absent = missing(draft);
  const input = scheduleOf(Object.keys(absent).length > 0 ? { ...draft, on: "all" } : draft, refs);
  const asked = useSettled(JSON.stringify(input));
  const dry = useQuery(
    MaintenanceService.method.putSchedule,
    { schedule: JSON.parse(asked), dryRun: true },
    { retry: false, placeholderData: keepPreviousData, gcTime: 60_000 },
  );
  const put = useMutation(MaintenanceService.method.putSchedule, {
    onSuccess: (answer) => {
      const now = answer.schedule;
      toast.done(`${schedule ? "Changed" : "Made"}.${now ? ` Next firing: ${nextText(now, Date.now())}.` : ""}`);
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: MaintenanceService, cardinality: undefined }),
      });
      onSaved(draft.name.trim());
    },
    onError: (error) => toast.failed(error, schedule ? "change the schedule" : "make the schedule"),
  });
  const faults: Record<string, string> = { ...faultsOf(dry.error), ...absent };
  if (!schedule && taken.includes(draft.name.trim())) faults.name = "Another schedule has this name; it can be edited.";
  const faulty = Object.keys(faults).length > 0;
  const settled = asked === JSON.stringify(input) && !dry.isPlaceholderData && !dry.isPending;
  return (
    <Modal
      open
      large
      onClose={onClose}
      title={schedule ? `Edit ${schedule.name}` : "New schedule"}
      actions={
        <>
          {!faulty && <CopyCli command={putCommand(draft)} />}
          <span className="flex-1" />
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={form} disabled={faulty || !settled || put.isPending}>
            {schedule ? "Save" : "Create"}
          </Button>
        </>
      }
    >
      <form
        id={form}
        aria-label={schedule ? `Edit ${schedule.name}` : "New schedule"}
        className="grid gap-x-6 gap-y-4 md:grid-cols-[minmax(0,1fr)_13rem]"
        onSubmit={(event) => {
          event.preventDefault();
          if (!faulty && settled && !put.isPending) put.mutate({ schedule: scheduleOf(draft, refs) });
        }}
      >
        <ScheduleForm draft={draft} set={set} refs={refs} faults={faults} named={schedule !== undefined} />
        <Times dry={dry} zone={draft.timeZone.trim()} faults={faults} schedule={schedule} />
      </form>
    </Modal>
  );
}

/** When it would fire, as the service says. */
function Times({
  dry,
  zone,
  faults,
  schedule,
}: {
  dry: {
    data: { schedule?: Schedule | undefined; note: string } | undefined;
    error: unknown;
    isPending: boolean;
    refetch: () => unknown;
  };
  zone: string;
  faults: Record<string, string>;
  schedule: Schedule | undefined;
}) {
  const now = useNow(1000);
  const upcoming = dry.data?.schedule?.upcoming ?? [];
  const elsewhere = Object.entries(faults).filter(([field]) => !shown.has(field));
  return (
    <aside aria-label="Dry run" className="min-w-0 rounded-lg border border-line bg-raised p-3 md:self-start">
      <h3 className="eyebrow mb-2">Will fire</h3>
      {dry.error && !faultsOf(dry.error) ? (
        <Fault error={dry.error} doing="try the schedule" retry={() => void dry.refetch()} />
      ) : null}
      {dry.isPending && <Waiting rows={5} />}
      {upcoming.length > 0 && (
        <ul aria-label="Next due times" className="num space-y-1.5">
          {upcoming.map((at) => (
            <li key={at.seconds.toString()}>
              <div>{inZone(at, zone)}</div>
              <div className="text-2xs text-ink-2">in {duration(Math.max(0, (millis(at) ?? now) - now))}</div>
            </li>
          ))}
        </ul>
      )}
      {dry.data?.note && !dry.error && <p className="mt-2 text-xs text-warn">{sentence(dry.data.note)}</p>}
      {faultsOf(dry.error) && <p className="text-xs text-ink-2">Its next times stand here once it can be read.</p>}
      {elsewhere.map(([field, text]) => (
        <p key={field} className="text-xs text-bad">
          {text}
        </p>
      ))}
      <p className="mt-3 border-t border-line pt-2 text-xs text-ink-2">
        {zone || "UTC"}. Dry run: nothing is written yet.
        {schedule && !unreadable(schedule) && " A change begins anew: what was due before is not fired."}
        {schedule && unreadable(schedule) && " What it did before is forgotten."}
        {schedule?.paused && " It stays paused."}
      </p>
    </aside>
  );
}

/** Fields of the form; what is wrong with another is said beside it. */
const shown = new Set([
  "name",
  "kind",
  "table",
  "model",
  "cron",
  "time_zone",
  "windows",
  "outside",
  "overlap",
  "missed",
]);

/** A value that has stood for a moment. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 250);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
