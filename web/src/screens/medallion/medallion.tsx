import { CirclePlay } from "lucide-react";
import { lazy, Suspense } from "react";
import { useGraph } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import { cli } from "~/lake/cli";
import { count, plural } from "~/lake/format";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Go } from "~/ui/go";
import { ScreenHead } from "~/ui/layout";
import { Empty, Loaded, Waiting } from "~/ui/states";
import { NodePanel } from "./node-panel";
import { useRunModels } from "./run-models";

const Canvas = lazy(() => import("./canvas"));

export default function Medallion() {
  const graph = useGraph();
  const [filters, setFilters] = useFilters();
  const { running, progress, run } = useRunModels();
  const now = useNow();
  const nodes = graph.data?.nodes ?? [];
  const edges = graph.data?.edges ?? [];
  const pending = nodes.reduce((sum, node) => sum + node.pendingRows, 0n);
  const open = nodes.find((node) => node.name === filters.node);
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead
        title="Medallion"
        lead={
          nodes.length === 0
            ? "Bronze to silver to gold."
            : `${plural(nodes.filter((node) => node.mode !== "source").length, "model")}. ${pending > 0n ? `${count(pending)} source rows wait for the next run.` : "All watermarks are at the head."}${progress ? ` ${progress}` : " Counts on the edges are over all runs."}`
        }
        actions={
          <>
            <Go to="/runs" className="link mr-2">
              All runs
            </Go>
            <Button
              kind="primary"
              disabled={running !== undefined || nodes.length === 0}
              icon={<CirclePlay aria-hidden className="size-3.5" />}
              onClick={() => run()}
            >
              {running === "" ? "Running…" : "Run all"}
            </Button>
            <CopyCli command={cli.run()} />
          </>
        }
      />
      <div className="min-h-0 flex-1 px-6 pb-6">
        <div className="card relative h-full min-h-96 overflow-hidden">
          <Loaded query={graph} doing="read the models" rows={10}>
            {() =>
              nodes.length === 0 ? (
                <Empty title="No model yet." command={cli.apply()}>
                  A model is one SQL file with a YAML head that says how its table is kept. Plan it, apply it, run it.
                </Empty>
              ) : (
                <Suspense fallback={<Waiting />}>
                  <Canvas
                    nodes={nodes}
                    edges={edges}
                    selected={filters.node ?? ""}
                    now={now}
                    onSelect={(name) => setFilters({ node: name }, true)}
                  />
                </Suspense>
              )
            }
          </Loaded>
        </div>
      </div>
      <NodePanel
        node={open}
        edges={edges}
        now={now}
        running={running}
        onRun={run}
        onClose={() => setFilters({ node: undefined })}
      />
    </div>
  );
}
