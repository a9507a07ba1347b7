import { Graph, layout } from "@dagrejs/dagre";
import { type Layer, layerOf } from "./name";

export type Placed = { name: string; x: number; y: number; column: number };
export type Lane = { layer: Layer; label: string; from: number; to: number };
export type Layout = { nodes: Placed[]; lanes: Lane[]; width: number; height: number };

const order: Layer[] = ["bronze", "silver", "gold", "other"];

export const size = { width: 252, height: 116, gapX: 226, gapY: 44, pad: 36 };

export type EdgeCount = { label: string; rows: bigint; tone: "in" | "out" | "aside" | "held" };

/**
 * What the label of an edge counts, over all runs. An aggregate writes a group
 * again in each run that touches it, so the sum of what its runs wrote says
 * nothing beside rows: what came out of it are the groups that it holds.
 */
export function edgeCounts(
  edge: { read: bigint; published: bigint; superseded: bigint; dropped: bigint; quarantined: bigint },
  to: { mode: string; rows: bigint } | undefined,
): EdgeCount[] {
  const out: EdgeCount =
    to?.mode === "aggregate"
      ? { label: "groups now", rows: to.rows, tone: "out" }
      : { label: "rows out", rows: edge.published, tone: "out" };
  const rest: EdgeCount[] = [
    { label: "superseded", rows: edge.superseded, tone: "aside" },
    { label: "dropped", rows: edge.dropped, tone: "aside" },
    { label: "quarantined", rows: edge.quarantined, tone: "held" },
  ];
  return [{ label: "rows in", rows: edge.read, tone: "in" }, out, ...rest.filter((entry) => entry.rows > 0n)];
}

/**
 * Places a medallion graph in lanes, bronze to gold. A node's column is its
 * lane's first column plus the longest path to it inside the lane; dagre orders
 * the nodes of a column so that few edges cross.
 */
export function place(
  nodes: readonly { name: string; layer: string }[],
  edges: readonly { from: string; to: string }[],
): Layout {
  const layers = new Map(nodes.map((node) => [node.name, laneOf(node)]));
  const known = edges.filter((edge) => layers.has(edge.from) && layers.has(edge.to));
  const depth = depths(nodes, known, layers);
  const lanes: Lane[] = [];
  const firstColumn = new Map<Layer, number>();
  let column = 0;
  for (const layer of order) {
    const members = nodes.filter((node) => layers.get(node.name) === layer);
    if (members.length === 0) continue;
    const columns = 1 + Math.max(...members.map((node) => depth.get(node.name) ?? 0));
    firstColumn.set(layer, column);
    lanes.push({
      layer,
      label: layer,
      from: xOf(column) - size.pad,
      to: xOf(column + columns - 1) + size.width + size.pad,
    });
    column += columns;
  }
  const across = crossings(nodes, known);
  const placed: Placed[] = nodes.map((node) => {
    const at = (firstColumn.get(layers.get(node.name) ?? "other") ?? 0) + (depth.get(node.name) ?? 0);
    return { name: node.name, x: xOf(at), y: across.get(node.name) ?? 0, column: at };
  });
  spread(placed);
  const height = Math.max(size.height, ...placed.map((node) => node.y + size.height)) + 2 * size.pad;
  return { nodes: placed, lanes, width: column * (size.width + size.gapX), height };
}

function laneOf(node: { name: string; layer: string }): Layer {
  const layer = node.layer as Layer;
  return order.includes(layer) && layer !== "other" ? layer : layerOf(node.name);
}

function xOf(column: number): number {
  return column * (size.width + size.gapX);
}

function depths(
  nodes: readonly { name: string }[],
  edges: readonly { from: string; to: string }[],
  layers: Map<string, Layer>,
): Map<string, number> {
  const depth = new Map(nodes.map((node) => [node.name, 0]));
  const inside = edges.filter((edge) => layers.get(edge.from) === layers.get(edge.to));
  // A path has at most as many steps as there are nodes; a cycle ends here too.
  for (let step = 0; step < nodes.length; step++) {
    let moved = false;
    for (const edge of inside) {
      const next = (depth.get(edge.from) ?? 0) + 1;
      if (next > (depth.get(edge.to) ?? 0) && next < nodes.length) {
        depth.set(edge.to, next);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return depth;
}

function crossings(
  nodes: readonly { name: string }[],
  edges: readonly { from: string; to: string }[],
): Map<string, number> {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: size.gapY, ranksep: size.gapX });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.name, { width: size.width, height: size.height });
  for (const edge of edges) graph.setEdge(edge.from, edge.to);
  layout(graph);
  return new Map(nodes.map((node) => [node.name, (graph.node(node.name)?.y ?? 0) - size.height / 2]));
}

/** Pushes nodes of one column apart, and centres the columns on each other. */
function spread(placed: Placed[]): void {
  const columns = new Map<number, Placed[]>();
  for (const node of placed) columns.set(node.column, [...(columns.get(node.column) ?? []), node]);
  const step = size.height + size.gapY;
  const tallest = Math.max(1, ...[...columns.values()].map((column) => column.length));
  for (const column of columns.values()) {
    column.sort((a, b) => a.y - b.y || (a.name < b.name ? -1 : 1));
    const top = ((tallest - column.length) * step) / 2;
    column.forEach((node, index) => {
      node.y = size.pad + top + index * step;
    });
  }
}
