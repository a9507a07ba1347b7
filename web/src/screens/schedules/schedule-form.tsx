import { useMemo } from "react";
import { useGraph, useTables } from "~/api/queries";
import { JobKind } from "~/gen/firn/v1/maintenance_pb";
import { jobKinds } from "~/lake/jobs";
import { type RefInit, sideOf, tableName } from "~/lake/name";
import { type Draft, kindWhy, misses, outsides, overlaps, windowsOf } from "~/lake/schedule-draft";
import { ChoiceField, Field, TextField } from "./field";

const rhythms: { label: string; cron: string }[] = [
  { label: "Hourly", cron: "0 * * * *" },
  { label: "Nightly", cron: "0 2 * * *" },
  { label: "Weekly", cron: "0 3 * * sun" },
];

const kinds = jobKinds.map(({ kind, label }) => ({ value: kind, label, why: kindWhy[kind] ?? "" }));

/** The tables of the catalog, for a schedule to be on. */
export function useRefs(): RefInit[] {
  const tables = useTables();
  return useMemo(
    () => (tables.data?.tables ?? []).flatMap((entry) => (entry.table ? [entry.table as RefInit] : [])),
    [tables.data],
  );
}

/** The fields of a schedule. A fault stands at the field it is about. */
export function ScheduleForm({
  draft,
  set,
  refs,
  faults,
  named,
}: {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  refs: readonly RefInit[];
  faults: Record<string, string>;
  /** Its name stands, as of one that there is. */
  named: boolean;
}) {
  const { windows } = draft;
  return (
    <div className="grid min-w-0 gap-x-4 gap-y-3 sm:grid-cols-2">
      <TextField
        label="Name"
        readOnly={named}
        value={draft.name}
        onChange={(name) => set({ name })}
        fault={faults.name}
        why={named ? "A name stays." : "Letters, digits, - _ and full stops."}
      />
      <ChoiceField
        label="Job"
        value={draft.kind}
        onChange={(kind) => set({ kind })}
        choices={kinds}
        fault={faults.kind}
      />
      <On draft={draft} set={set} refs={refs} faults={faults} />
      <TextField
        label="Cron"
        mono
        value={draft.cron}
        onChange={(cron) => set({ cron })}
        fault={faults.cron}
        why={
          <>
            Minute, hour, day, month, weekday; or <code>@every 90m</code>.{" "}
            {rhythms.map((rhythm) => (
              <button
                key={rhythm.cron}
                type="button"
                aria-pressed={draft.cron === rhythm.cron}
                onClick={() => set({ cron: rhythm.cron })}
                className="link mr-2"
              >
                {rhythm.label}
              </button>
            ))}
          </>
        }
      />
      <TextField
        label="Time zone"
        value={draft.timeZone}
        placeholder="UTC"
        onChange={(timeZone) => set({ timeZone })}
        suggestions={zones}
        fault={faults.time_zone}
        why="Cron and windows are read on its clock."
      />
      <Field
        label="Windows"
        className={windowsOf(draft).length > 0 ? "" : "sm:col-span-2"}
        fault={faults.windows}
        why={
          <>
            When it may fire, one a line, as <code>mon-fri 22:00-06:00</code>; empty is always.
          </>
        }
      >
        {(control) => (
          <textarea
            {...control}
            rows={2}
            value={windows}
            placeholder="always"
            spellCheck={false}
            onChange={(event) => set({ windows: event.target.value })}
            className={`field h-auto! w-full py-1.5! font-mono text-xs ${faults.windows ? "border-bad!" : ""}`}
          />
        )}
      </Field>
      {windowsOf(draft).length > 0 && (
        <ChoiceField
          label="Due outside the windows"
          value={draft.outside}
          onChange={(outside) => set({ outside })}
          choices={outsides}
          fault={faults.outside}
        />
      )}
      <ChoiceField
        label="Due while its jobs are active"
        value={draft.overlap}
        onChange={(overlap) => set({ overlap })}
        choices={overlaps}
        fault={faults.overlap}
      />
      <ChoiceField
        label="Missed while nothing ran"
        value={draft.missed}
        onChange={(missed) => set({ missed })}
        choices={misses}
        fault={faults.missed}
      />
    </div>
  );
}

/** Which tables, or which model. */
function On({
  draft,
  set,
  refs,
  faults,
}: {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  refs: readonly RefInit[];
  faults: Record<string, string>;
}) {
  const tables = useMemo(() => refs.map(tableName), [refs]);
  const shown = useMemo(() => tables.filter((name) => !sideOf(name)), [tables]);
  const namespaces = useMemo(() => [...new Set(refs.map((ref) => ref.namespace.join(".")))].sort(), [refs]);
  if (draft.kind === JobKind.PROMOTE) return <Model draft={draft} set={set} fault={faults.model} />;
  const unknown =
    draft.on === "table" && draft.table !== "" && tables.length > 0 && !tables.includes(draft.table.trim());
  return (
    <>
      <ChoiceField
        label="On"
        className={draft.on === "all" ? "sm:col-span-2" : ""}
        value={draft.on}
        onChange={(on) => set({ on })}
        choices={[
          {
            value: "all",
            label: "all tables",
            why:
              draft.kind === JobKind.ORPHANS
                ? "Those made later too, and what dropped ones left."
                : "Those made later too.",
          },
          { value: "namespace", label: "the tables of a namespace", why: "Those made later too." },
          { value: "table", label: "one table", why: " " },
        ]}
      />
      {draft.on === "namespace" && (
        <ChoiceField
          label="Namespace"
          value={draft.namespace}
          onChange={(namespace) => set({ namespace })}
          choices={[...new Set([...namespaces, ...(draft.namespace ? [draft.namespace] : [])])].map((name) => ({
            value: name,
            label: name,
          }))}
          fault={faults.table}
          why="Not those of the namespaces in it."
        />
      )}
      {draft.on === "table" && (
        <TextField
          label="Table"
          value={draft.table}
          onChange={(table) => set({ table })}
          suggestions={shown}
          fault={faults.table}
          why={unknown ? "No table is called that now; nothing is made until one is." : "As namespace.table."}
        />
      )}
    </>
  );
}

function Model({
  draft,
  set,
  fault,
}: {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  fault: string | undefined;
}) {
  const graph = useGraph();
  const models = (graph.data?.nodes ?? []).filter((node) => node.mode !== "source").map((node) => node.name);
  return (
    <TextField
      label="Model"
      className="sm:col-span-2"
      value={draft.model}
      onChange={(model) => set({ model })}
      suggestions={models}
      fault={fault}
      why={
        draft.model && models.length > 0 && !models.includes(draft.model.trim())
          ? "No model is called that now; its jobs would fail."
          : "One of the medallion."
      }
    />
  );
}

/** Zones that this browser knows; the service may know more. */
const zones: readonly string[] = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];
