import { useQuery } from "@connectrpc/connect-query";
import { useParams } from "@tanstack/react-router";
import { useGraph } from "~/api/queries";
import { useNow, useRefresh } from "~/app/live";
import { ModelService, type Run } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { ago, count, duration, elapsed, moment, plural } from "~/lake/format";
import { hasLaw } from "~/lake/law";
import { rulesOf } from "~/lake/rules";
import { runState } from "~/lake/runs";
import { CopyCli } from "~/ui/copy";
import { Go, TableLink } from "~/ui/go";
import { Card, Facts, Figure, Figures, ScreenHead } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { LawLedger } from "./law-ledger";
import { Steps } from "./steps";

export default function RunScreen() {
  const { run: id = "" } = useParams({ strict: false }) as { run?: string };
  const query = useQuery(ModelService.method.getRun, { id }, useRefresh(3000));
  return (
    <Loaded query={query} doing={`open run ${id}`} rows={10}>
      {(data) => (data.run ? <RunView run={data.run} /> : null)}
    </Loaded>
  );
}

function RunView({ run }: { run: Run }) {
  const now = useNow();
  const graph = useGraph();
  const state = runState(run.state);
  const ms = elapsed(run, now);
  const model = graph.data?.nodes.find((node) => node.name === run.model);
  const rules = rulesOf(model?.sql ?? "");
  const byRule = Object.entries(run.byRule).sort((a, b) => Number(b[1] - a[1]));
  const most = byRule.reduce((max, [, rows]) => (rows > max ? rows : max), 1n);
  return (
    <div className="pb-8">
      <ScreenHead
        above={
          <Go to="/runs" search={{ model: run.model }} className="hover:text-ink hover:underline">
            Runs of {run.model}
          </Go>
        }
        title={
          <>
            {run.model}
            <span className="text-sm">
              <Status tone={state.tone}>{state.label}</Status>
            </span>
          </>
        }
        lead={
          <span>
            {moment(run.startedAt)} ({ago(run.startedAt, now)})
            {ms !== undefined && `, ${run.endedAt ? "took" : "for"} ${duration(ms)}`}
          </span>
        }
        actions={
          <>
            <Go to="/medallion" search={{ node: run.model }} className="link mr-2">
              Open model
            </Go>
            <CopyCli command={cli.runs(run.model)} />
          </>
        }
      />
      <div className="space-y-4 px-6">
        {run.error && (
          <div role="alert" className="rounded-lg border border-bad/30 bg-bad-soft/60 p-3.5">
            <p className="font-medium">
              The run failed. Nothing of it was published; the watermark stands where it was.
            </p>
            <p className="mt-0.5 break-words whitespace-pre-wrap text-ink-2">{run.error}</p>
          </div>
        )}
        <Figures>
          <Figure label="Read" value={count(run.read)} note="source rows" />
          <Figure label="Written" value={count(run.rowsWritten)} note="rows to the target" />
          {run.groups > 0n && (
            <Figure
              label="Groups"
              value={count(run.groups)}
              note="recomputed in full"
              why="Groups that the rows read touch, old and new: each is computed anew from all its source rows."
            />
          )}
          <Figure
            label="Superseded"
            value={count(run.superseded)}
            note="a later row of the key won"
            why="Of the rows read and of those that were live: a later one of the same key took their place."
          />
          <Figure
            label="Quarantined"
            value={
              run.quarantined > 0n ? (
                <Go to="/quarantine" search={{ model: run.model }} className="hover:underline">
                  {count(run.quarantined)}
                </Go>
              ) : (
                "0"
              )
            }
            note="kept with their reasons"
            why="Rows, each counted once, however many rules it violates. By rule tells them apart."
          />
          <Figure label="Warned" value={count(run.warned)} note="published all the same" />
        </Figures>
        <Card
          title="Timeline"
          aside={<span className="num text-xs text-ink-3">{plural(run.steps.length, "step")}</span>}
        >
          <Steps run={run} />
        </Card>
        <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
          <Card title="Every row accounted for" flush>
            {hasLaw(run, model?.mode) ? (
              <LawLedger run={run} />
            ) : (
              <p className="p-5 text-ink-2">
                {model?.mode === "aggregate" || run.groups > 0n
                  ? `An aggregate has no rows of its own to conserve: ${count(run.groups)} groups that the change touched, old and new, were recomputed in full from the source at the recorded snapshot, so that the target equals its definition.`
                  : "The account is closed by the commit; this run has not committed."}
              </p>
            )}
          </Card>
          <div className="space-y-4">
            <Card title="By rule">
              {byRule.length === 0 && <p className="text-ink-2">No rule was violated.</p>}
              <ul className="space-y-2.5">
                {byRule.map(([rule, rows]) => {
                  const known = rules.find((entry) => entry.name === rule);
                  return (
                    <li key={rule}>
                      <div className="flex items-baseline gap-2">
                        <Go to="/quarantine" search={{ model: run.model, rule }} className="link">
                          {rule}
                        </Go>
                        {known && <span className="text-xs text-ink-3">{known.onFail}</span>}
                        <span className="num ml-auto font-medium">{count(rows)}</span>
                      </div>
                      <div className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken">
                        <div
                          className={`h-full rounded-full ${known?.onFail === "warn" ? "bg-ice-line" : "bg-warn-fill"}`}
                          style={{ width: `${rows === 0n ? 0 : Math.max(1, (Number(rows) / Number(most)) * 100)}%` }}
                        />
                      </div>
                      {known && <code className="mt-0.5 block truncate text-xs text-ink-3">{known.expr}</code>}
                    </li>
                  );
                })}
              </ul>
            </Card>
            <Card title="Sources and target">
              <Facts
                rows={[
                  ...run.sources.map((source): [React.ReactNode, React.ReactNode] => [
                    "Source",
                    <div key={source.table} className="break-all tabular-nums">
                      <TableLink name={source.table} />
                      <div className="text-xs text-ink-2">
                        after {source.fromSnapshotId === 0n ? "the beginning" : source.fromSnapshotId.toString()}
                        <br />
                        up to{" "}
                        <TableLink name={source.table} tab="data" search={{ snapshot: source.toSnapshotId.toString() }}>
                          {source.toSnapshotId.toString()}
                        </TableLink>
                      </div>
                    </div>,
                  ]),
                  [
                    "Target",
                    run.snapshotId === 0n ? (
                      "nothing was committed"
                    ) : (
                      <TableLink
                        key="target"
                        name={run.model}
                        tab="snapshots"
                        search={{ at: run.snapshotId.toString() }}
                        className="link num"
                      >
                        {run.snapshotId.toString()}
                      </TableLink>
                    ),
                  ],
                  ["Definition", <code key="hash">{run.definitionHash.slice(0, 16) || "–"}</code>],
                  [
                    "Run",
                    <code key="id" className="break-all">
                      {run.id}
                    </code>,
                  ],
                ]}
              />
            </Card>
          </div>
        </div>
      </div>
    </div>
  );
}
