import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useGraph, useRuns } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { Run } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { ago, count, duration, millis, moment } from "~/lake/format";
import { hasLaw, law } from "~/lake/law";
import { runState } from "~/lake/runs";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { Facets, Select } from "~/ui/filters";
import { Go } from "~/ui/go";
import { ScreenHead } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { Status } from "~/ui/status";

export default function Runs() {
  const [filters, setFilters] = useFilters();
  const { model = "", state = "", sort = "" } = filters;
  const runs = useRuns({ model, limit: 500 });
  const graph = useGraph();
  const navigate = useNavigate();
  const now = useNow();
  const all = runs.data?.runs ?? [];
  const labels = useMemo(() => {
    const counts = new Map<string, number>();
    for (const run of all) counts.set(runState(run.state).label, (counts.get(runState(run.state).label) ?? 0) + 1);
    return [...counts];
  }, [all]);
  const shown = useMemo(() => all.filter((run) => !state || runState(run.state).label === state), [all, state]);
  const modes = useMemo(() => new Map((graph.data?.nodes ?? []).map((node) => [node.name, node.mode])), [graph.data]);
  const columns = useMemo(() => columnsAt(now, modes), [now, modes]);
  const models = (graph.data?.nodes ?? []).filter((node) => node.mode !== "source").map((node) => node.name);
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead
        title="Runs"
        lead="Promotions, each with its account of every row it read."
        actions={
          <>
            <Select
              label="Model"
              value={model}
              onChange={(value) => setFilters({ model: value })}
              options={[{ value: "", label: "All models" }, ...models.map((name) => ({ value: name, label: name }))]}
            />
            <CopyCli command={cli.run(model)} />
          </>
        }
      />
      <div className="px-6 pb-3">
        <Facets
          label="State"
          value={state}
          onChange={(value) => setFilters({ state: value })}
          all={{ value: "", label: "All", count: all.length }}
          facets={labels.map(([label, n]) => ({ value: label, label, count: n }))}
        />
      </div>
      <div className="min-h-0 flex-1 px-6 pb-6">
        <div className="card flex h-full flex-col overflow-hidden">
          <Loaded query={runs} doing="list the runs" rows={12}>
            {() => (
              <DataTable
                label="Runs"
                className="flex-1"
                columns={columns}
                rows={shown}
                rowId={(run) => run.id}
                sort={sort}
                onSort={(value) => setFilters({ sort: value })}
                onOpen={(run) => void navigate({ to: "/runs/$run", params: { run: run.id } } as never)}
                minWidth={980}
                empty={<Empty title="No run yet." command={cli.run()} />}
              />
            )}
          </Loaded>
        </div>
      </div>
    </div>
  );
}

function columnsAt(now: number, modes: ReadonlyMap<string, string>): Col<Run>[] {
  return [
    {
      id: "state",
      head: "State",
      width: "8.5rem",
      cell: (run) => <Status tone={runState(run.state).tone}>{runState(run.state).label}</Status>,
    },
    {
      id: "model",
      head: "Model",
      by: (run) => run.model,
      cell: (run) => (
        <Go to="/runs/$run" params={{ run: run.id }} className="font-medium hover:underline">
          {run.model}
        </Go>
      ),
    },
    { id: "read", head: "Read", width: "7rem", align: "right", by: (run) => run.read, cell: (run) => count(run.read) },
    {
      id: "written",
      head: "Written",
      width: "7rem",
      align: "right",
      by: (run) => run.rowsWritten,
      cell: (run) => count(run.rowsWritten),
    },
    {
      id: "superseded",
      head: "Superseded",
      width: "7rem",
      align: "right",
      by: (run) => run.superseded,
      cell: (run) => count(run.superseded),
    },
    {
      id: "quarantined",
      head: "Quarantined",
      width: "7.5rem",
      align: "right",
      by: (run) => run.quarantined,
      cell: (run) => count(run.quarantined),
    },
    {
      id: "law",
      head: "Law",
      width: "6.5rem",
      cell: (run) => {
        const mode = modes.get(run.model);
        if (mode === "aggregate" || run.groups > 0n) return <span className="text-ink-3">by groups</span>;
        if (!hasLaw(run, mode)) return <span className="text-ink-3">–</span>;
        return law(run).holds ? <Status tone="good">holds</Status> : <Status tone="bad">broken</Status>;
      },
    },
    {
      id: "took",
      head: "Took",
      width: "6rem",
      align: "right",
      cell: (run) => {
        const from = millis(run.startedAt);
        return from === undefined ? "–" : duration((millis(run.endedAt) ?? now) - from);
      },
    },
    {
      id: "started",
      head: "Started",
      width: "7rem",
      align: "right",
      by: (run) => millis(run.startedAt),
      cell: (run) => (
        <span className="text-ink-2" title={moment(run.startedAt)}>
          {ago(run.startedAt, now)}
        </span>
      ),
    },
  ];
}
