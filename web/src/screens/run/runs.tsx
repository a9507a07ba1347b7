import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useGraph, useRuns } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { Run } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { count } from "~/lake/format";
import { hasLaw, law } from "~/lake/law";
import { runState } from "~/lake/runs";
import { agoCol, countCol, tookCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { Facets } from "~/ui/filters";
import { Go } from "~/ui/go";
import { Choice, ListCard, ListScreen, NoneLike } from "~/ui/list";
import { Empty } from "~/ui/states";
import { Status } from "~/ui/status";

const LIMIT = 500;

export default function Runs() {
  const [filters, setFilters] = useFilters();
  const { model = "", state = "" } = filters;
  const runs = useRuns({ model, limit: LIMIT });
  const graph = useGraph();
  const navigate = useNavigate();
  const now = useNow();
  const all = useMemo(() => runs.data?.runs ?? [], [runs.data]);
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
    <ListScreen
      title="Runs"
      lead={`Promotions, each with its account of every row it read.${all.length === LIMIT ? ` The newest ${count(LIMIT)}.` : ""}`}
      actions={
        <>
          <Choice
            label="Model"
            name="model"
            options={[{ value: "", label: "All models" }, ...models.map((name) => ({ value: name, label: name }))]}
          />
          <CopyCli command={cli.runs(model)} />
        </>
      }
      facets={
        <Facets
          label="State"
          value={state}
          onChange={(value) => setFilters({ state: value })}
          all={{ value: "", label: "All", count: all.length }}
          facets={labels.map(([label, n]) => ({ value: label, label, count: n }))}
        />
      }
    >
      <ListCard
        query={runs}
        doing="list the runs"
        label="Runs"
        columns={columns}
        rows={shown}
        rowId={(run) => run.id}
        onOpen={(run) => void navigate({ to: "/runs/$run", params: { run: run.id } } as never)}
        empty={
          model || state ? (
            <NoneLike what="run" all="all runs" filters={["model", "state"]} />
          ) : (
            <Empty title="No run yet." command={models.length > 0 ? cli.run() : cli.apply()}>
              A run promotes what is new in a model's sources, or nothing at all.
            </Empty>
          )
        }
      />
    </ListScreen>
  );
}

function columnsAt(now: number, modes: ReadonlyMap<string, string>): Col<Run>[] {
  return [
    {
      id: "state",
      head: "State",
      width: "8.5rem",
      by: (run) => runState(run.state).label,
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
    countCol("read", "Read", (run) => run.read),
    countCol("written", "Written", (run) => run.rowsWritten),
    countCol("superseded", "Superseded", (run) => run.superseded),
    countCol("quarantined", "Quarantined", (run) => run.quarantined, "7.5rem"),
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
    tookCol(now),
    agoCol("started", "Started", (run) => run.startedAt, now),
  ];
}
