import { describe, expect, it } from "vitest";
import { place, size } from "./graph";

const nodes = [
  { name: "bronze.raw", layer: "bronze" },
  { name: "silver.lines", layer: "silver" },
  { name: "silver.joined", layer: "silver" },
  { name: "gold.daily", layer: "gold" },
  { name: "gold.direct", layer: "gold" },
];
const edges = [
  { from: "bronze.raw", to: "silver.lines" },
  { from: "silver.lines", to: "silver.joined" },
  { from: "silver.joined", to: "gold.daily" },
  { from: "bronze.raw", to: "gold.direct" },
];

describe("place", () => {
  const layout = place(nodes, edges);
  const at = (name: string) => layout.nodes.find((node) => node.name === name)!;

  it("keeps every node inside its lane, also when an edge skips a layer", () => {
    expect(layout.lanes.map((lane) => lane.layer)).toEqual(["bronze", "silver", "gold"]);
    for (const node of nodes) {
      const lane = layout.lanes.find((entry) => entry.layer === node.layer)!;
      expect(at(node.name).x).toBeGreaterThanOrEqual(lane.from);
      expect(at(node.name).x + size.width).toBeLessThanOrEqual(lane.to);
    }
    expect(at("gold.direct").column).toBe(at("gold.daily").column);
  });

  it("puts a model right of the one it reads, also inside a lane", () => {
    expect(at("silver.joined").column).toBe(at("silver.lines").column + 1);
  });

  it("lets no two nodes overlap", () => {
    const spots = new Set(layout.nodes.map((node) => `${node.x}/${node.y}`));
    expect(spots.size).toBe(nodes.length);
    expect(Math.abs(at("gold.daily").y - at("gold.direct").y)).toBeGreaterThanOrEqual(size.height);
  });

  it("ends on a cycle, which the service would refuse", () => {
    expect(place(nodes.slice(1, 3), [...edges, { from: "silver.joined", to: "silver.lines" }]).nodes).toHaveLength(2);
    expect(place([], []).nodes).toEqual([]);
  });
});
