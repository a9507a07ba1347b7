import { CirclePlay } from "lucide-react";
import type { ReactNode } from "react";
import { useRuns } from "~/api/queries";
import type { GraphEdge, GraphNode } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { ago, count, duration, elapsed, moment, plural } from "~/lake/format";
import { bodyOf, rulesOf } from "~/lake/rules";
import { runState } from "~/lake/runs";
import { Button } from "~/ui/button";
import { CopyButton, CopyCli } from "~/ui/copy";
import { Drawer } from "~/ui/drawer";
import { Go, TableLink } from "~/ui/go";
import { Code, Facts } from "~/ui/layout";
import { Fault } from "~/ui/states";
import { Status } from "~/ui/status";
import { Why } from "~/ui/why";

/** One model: its SQL, its rules, its last runs, and the button that runs it. */
export function NodePanel({
  node,
  edges,
  now,
  running,
  onRun,
  onClose,
}: {
  node: GraphNode | undefined;
  edges: readonly GraphEdge[];
  now: number;
  running: string | undefined;
  onRun: (model: string) => void;
  onClose: () => void;
}) {
  const source = node?.mode === "source";
  return (
    <Drawer
      open={node !== undefined}
      onClose={onClose}
      title={node?.name ?? ""}
      lead={
        node && (
          <span className="flex items-center gap-3">
            <span>{source ? "source, written by ingestion" : `${node.mode} model`}</span>
            {!source && <Status tone={runState(node.state).tone}>{runState(node.state).label}</Status>}
          </span>
        )
      }
      actions={
        node && (
          <>
            <CopyCli command={source ? cli.table(node.name) : cli.run(node.name)} />
            <span className="flex-1" />
            <TableLink
              name={node.name}
              className="inline-flex h-[1.875rem] items-center rounded-md border border-line-strong px-2.5 font-medium hover:bg-raised"
            >
              Open table
            </TableLink>
            {!source && (
              <Button
                kind="primary"
                icon={<CirclePlay aria-hidden className="size-3.5" />}
                disabled={running !== undefined}
                onClick={() => onRun(node.name)}
              >
                {running === node.name ? "Running…" : "Run"}
              </Button>
            )}
          </>
        )
      }
    >
      {node && <Body node={node} edges={edges} now={now} />}
    </Drawer>
  );
}

function Body({ node, edges, now }: { node: GraphNode; edges: readonly GraphEdge[]; now: number }) {
  const inputs = edges.filter((edge) => edge.to === node.name);
  const rules = rulesOf(node.sql);
  return (
    <>
      <Facts
        rows={[
          ["Rows", count(node.rows)],
          ...(node.mode === "source"
            ? []
            : ([
                [
                  "Pending",
                  node.pendingRows === 0n
                    ? "none: the watermark is at the head"
                    : plural(node.pendingRows, "source row"),
                ],
                [
                  "Quarantined",
                  node.quarantined === 0n ? (
                    "none"
                  ) : (
                    <Go key="quarantine" to="/quarantine" search={{ model: node.name }} className="link num">
                      {plural(node.quarantined, "row")}
                    </Go>
                  ),
                ],
                [
                  "Last run",
                  <span key="run" title={moment(node.lastRun)}>
                    {ago(node.lastRun, now)}
                  </span>,
                ],
                ["Definition", <code key="hash">{node.definitionHash.slice(0, 16)}</code>],
              ] as [string, ReactNode][])),
        ]}
      />
      {inputs.length > 0 && (
        <section>
          <h3 className="eyebrow mb-2">Over all runs</h3>
          {inputs.map((edge) => (
            <Facts
              key={edge.from}
              rows={[
                ["From", <TableLink key="from" name={edge.from} />],
                ["Rows read", figure(edge.read)],
                ...(node.mode === "aggregate"
                  ? ([
                      [
                        <Why
                          key="why"
                          text="Each run computes every group anew that its rows touch, so a group counts once for each of these runs."
                        >
                          Groups written
                        </Why>,
                        <span key="n" className="num">
                          {count(edge.published)}{" "}
                          <span className="text-ink-3">for the {count(node.rows)} that it holds now</span>
                        </span>,
                      ],
                    ] as [ReactNode, ReactNode][])
                  : ([
                      ["Published", figure(edge.published)],
                      ["Superseded", figure(edge.superseded)],
                    ] as [ReactNode, ReactNode][])),
                ["Quarantined", figure(edge.quarantined)],
                ["Dropped", figure(edge.dropped)],
              ]}
            />
          ))}
        </section>
      )}
      {node.mode !== "source" && <LastRuns model={node.name} now={now} />}
      {rules.length > 0 && (
        <section>
          <h3 className="eyebrow mb-2">Rules</h3>
          <ul className="space-y-1.5">
            {rules.map((rule) => (
              <li key={rule.name} className="flex items-baseline gap-2">
                <Go to="/quarantine" search={{ model: node.name, rule: rule.name }} className="link shrink-0">
                  {rule.name}
                </Go>
                <code className="min-w-0 flex-1 truncate text-ink-2" title={rule.expr}>
                  {rule.expr}
                </code>
                <span className="text-xs text-ink-3">{rule.onFail}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {node.sql && (
        <section>
          <div className="mb-1 flex items-center">
            <h3 className="eyebrow flex-1">SQL</h3>
            <CopyButton text={node.sql} label="Copy the SQL" />
          </div>
          <Code label={`SQL of ${node.name}`}>{bodyOf(node.sql)}</Code>
        </section>
      )}
    </>
  );
}

function figure(rows: bigint) {
  return <span className="num">{count(rows)}</span>;
}

function LastRuns({ model, now }: { model: string; now: number }) {
  const runs = useRuns({ model, limit: 8 });
  const list = runs.data?.runs ?? [];
  return (
    <section>
      <h3 className="eyebrow mb-2">Last runs</h3>
      {runs.error && list.length === 0 ? <Fault error={runs.error} doing="list its runs" /> : null}
      {runs.data && list.length === 0 && <p className="text-ink-2">It has not run yet.</p>}
      <ul className="divide-y divide-line rounded-lg border border-line empty:hidden">
        {list.map((run) => {
          const state = runState(run.state);
          const ms = elapsed(run, now);
          return (
            <li key={run.id} className="flex items-center gap-3 px-3 py-1.5 text-xs">
              <Status tone={state.tone}>{state.label}</Status>
              <Go to="/runs/$run" params={{ run: run.id }} className="link num min-w-0 flex-1 truncate">
                {run.read > 0n ? `${count(run.read)} read, ${count(run.rowsWritten)} written` : "open"}
              </Go>
              <span className="num text-ink-3">{ms === undefined ? "" : duration(ms)}</span>
              <span className="num text-ink-3">{ago(run.startedAt, now)}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
