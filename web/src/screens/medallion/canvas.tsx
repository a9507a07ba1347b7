import {
  Background,
  BackgroundVariant,
  BaseEdge,
  Controls,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  getBezierPath,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  useReactFlow,
  useStore,
  ViewportPortal,
} from "@xyflow/react";
import { useEffect, useMemo } from "react";
import "@xyflow/react/dist/base.css";
import "./canvas.css";
import { useTheme } from "~/app/theme";
import type { GraphEdge, GraphNode } from "~/gen/firn/v1/model_pb";
import { ago, compact, count } from "~/lake/format";
import { edgeCounts, place, size } from "~/lake/graph";
import { runState } from "~/lake/runs";
import { Status } from "~/ui/status";

type ModelNode = Node<{ node: GraphNode; now: number; selected: boolean }, "model">;
type FlowEdge = Edge<{ edge: GraphEdge; to: GraphNode | undefined }, "flow">;

const nodeTypes = { model: ModelCard };
const edgeTypes = { flow: Flow };
const tones = { in: "text-ink", out: "text-good", aside: "text-ink-2", held: "text-warn" };

// Never so small that the counts cannot be read: a narrow screen shows a part, and pans.
const FIT = { padding: 0.08, minZoom: 0.6, maxZoom: 1.05 };

type Props = {
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
  selected: string;
  now: number;
  onSelect: (name: string) => void;
};

/** The graph in lanes; each edge says what went in, came out and stayed behind. */
export default function Canvas({ nodes, edges, selected, now, onSelect }: Props) {
  const theme = useTheme();
  // The layout changes with the graph's shape only, not with its counts.
  const shape = JSON.stringify([
    nodes.map((node) => [node.name, node.layer]),
    edges.map((edge) => [edge.from, edge.to]),
  ]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the shape stands for nodes and edges
  const layout = useMemo(() => place(nodes, edges), [shape]);
  const spots = new Map(layout.nodes.map((spot) => [spot.name, spot]));
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const flowNodes: ModelNode[] = nodes.map((node) => ({
    id: node.name,
    type: "model",
    position: { x: spots.get(node.name)?.x ?? 0, y: spots.get(node.name)?.y ?? 0 },
    // The cards have a size of their own; nothing needs to be measured.
    measured: { width: size.width, height: size.height },
    data: { node, now, selected: node.name === selected },
    ariaLabel: `${node.mode} ${node.name}, ${count(node.rows)} rows`,
  }));
  const flowEdges: FlowEdge[] = edges.map((edge) => ({
    id: `${edge.from} ${edge.to}`,
    source: edge.from,
    target: edge.to,
    type: "flow",
    data: { edge, to: byName.get(edge.to) },
    ariaLabel: `${edge.from} to ${edge.to}: ${edgeCounts(edge, byName.get(edge.to))
      .map((entry) => `${count(entry.rows)} ${entry.label}`)
      .join(", ")}`,
    focusable: false,
  }));
  return (
    <ReactFlow
      nodes={flowNodes}
      edges={flowEdges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      colorMode={theme}
      fitView
      fitViewOptions={FIT}
      minZoom={0.25}
      maxZoom={1.6}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
      proOptions={{ hideAttribution: true }}
      onNodeClick={(_, node) => onSelect(node.id)}
      onKeyDown={(event) => {
        const id = (event.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
        if (id && (event.key === "Enter" || event.key === " ")) onSelect(id);
      }}
    >
      <Background variant={BackgroundVariant.Dots} gap={22} size={1} color="var(--line-strong)" />
      <ViewportPortal>
        {layout.lanes.map((lane) => (
          <div
            key={lane.layer}
            className="pointer-events-none absolute -z-10 rounded-2xl border"
            style={{
              left: lane.from,
              top: -22,
              width: lane.to - lane.from,
              height: layout.height + 22,
              background:
                lane.layer === "other"
                  ? "var(--sunken)"
                  : `color-mix(in srgb, var(--${lane.layer}-soft) 55%, transparent)`,
              borderColor:
                lane.layer === "other" ? "var(--line)" : `color-mix(in srgb, var(--${lane.layer}) 28%, transparent)`,
            }}
          >
            <span
              className="absolute top-2.5 left-4 text-xs font-semibold"
              style={{ color: lane.layer === "other" ? "var(--ink-2)" : `var(--${lane.layer})` }}
            >
              {lane.label}
            </span>
          </div>
        ))}
      </ViewportPortal>
      <Controls showInteractive={false} />
      <KeepInSight name={selected} spot={spots.get(selected)} />
    </ReactFlow>
  );
}

/** Moves the graph when the panel at the right would cover the model it is about. */
function KeepInSight({ name, spot }: { name: string; spot: { x: number; y: number } | undefined }) {
  const { getViewport, setViewport } = useReactFlow();
  const host = useStore((state) => state.domNode);
  const fitted = useStore((state) => state.nodesInitialized && !state.fitViewQueued);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a place is known by its name
  useEffect(() => {
    if (!name || !spot || !host || !fitted) return;
    // After the first fit, which comes with the first frame.
    const frame = requestAnimationFrame(() => {
      const { x, y, zoom } = getViewport();
      const right = host.getBoundingClientRect().left + x + (spot.x + size.width) * zoom;
      const free = innerWidth - PANEL;
      if (right > free && free > size.width) void setViewport({ x: x - (right - free), y, zoom }, { duration: 200 });
    });
    return () => cancelAnimationFrame(frame);
  }, [name, fitted, host]);
  return null;
}

/** The width of the drawer with its margins, in pixels. */
const PANEL = 34 * 16 + 36;

function ModelCard({ data }: NodeProps<ModelNode>) {
  const { node, now, selected } = data;
  const state = runState(node.state);
  const source = node.mode === "source";
  const color = ["bronze", "silver", "gold"].includes(node.layer) ? `var(--${node.layer})` : "var(--ink-3)";
  return (
    <div
      data-model={node.name}
      className={`flex flex-col rounded-xl border bg-surface px-3.5 py-2.5 shadow-card transition-shadow ${selected ? "border-ice ring-2 ring-ice/30" : "border-line-strong hover:border-ink-3"}`}
      style={{ width: size.width, height: size.height }}
    >
      <Handle type="target" position={Position.Left} className="firn-handle" />
      <div className="flex items-center gap-2">
        <span aria-hidden className="h-3.5 w-1 rounded-full" style={{ background: color }} />
        <span className="min-w-0 flex-1 truncate text-sm font-semibold" title={node.name}>
          {node.name.split(".").slice(1).join(".") || node.name}
        </span>
        <span className="text-2xs text-ink-3">{node.mode}</span>
      </div>
      <div className="num mt-1 flex items-baseline gap-1.5">
        <span className="text-lg leading-7 font-semibold tracking-tight">{count(node.rows)}</span>
        <span className="text-xs text-ink-3">rows</span>
        {node.quarantined > 0n && (
          <span className="ml-auto rounded-full bg-warn-soft px-2 text-2xs leading-5 font-medium text-warn">
            {compact(node.quarantined)} quarantined
          </span>
        )}
      </div>
      <div className="mt-auto flex items-center gap-2 text-xs">
        {source ? (
          <span className="text-ink-3">written by ingestion</span>
        ) : (
          <Status tone={state.tone}>{state.label}</Status>
        )}
        <span className="num ml-auto truncate text-ink-3">
          {node.pendingRows > 0n ? `${compact(node.pendingRows)} pending` : source ? "" : ago(node.lastRun, now)}
        </span>
      </div>
      <Handle type="source" position={Position.Right} className="firn-handle" />
    </div>
  );
}

function Flow({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, data }: EdgeProps<FlowEdge>) {
  const [path, labelX, labelY] = getBezierPath({
    sourceX,
    sourceY,
    targetX,
    targetY,
    sourcePosition,
    targetPosition,
    curvature: 0.32,
  });
  if (!data) return null;
  const { edge, to } = data;
  const width = 1.5 + Math.log10(Number(edge.read) + 1) * 0.55;
  return (
    <>
      <BaseEdge path={path} style={{ strokeWidth: width, stroke: "var(--ice-line)" }} />
      <EdgeLabelRenderer>
        <dl
          data-edge={`${edge.from} ${edge.to}`}
          className="pointer-events-none absolute grid grid-cols-[auto_auto] gap-x-2 rounded-lg border border-line bg-surface/95 px-2 py-1 text-2xs leading-4 shadow-card"
          style={{ transform: `translate(-50%, -50%) translate(${labelX}px, ${labelY}px)` }}
        >
          {edgeCounts(edge, to).map(({ label, rows, tone }) => (
            <div key={label} className="contents">
              <dt className="text-ink-3">{label}</dt>
              <dd className={`num text-right font-medium ${tones[tone]}`}>{count(rows)}</dd>
            </div>
          ))}
        </dl>
      </EdgeLabelRenderer>
    </>
  );
}
