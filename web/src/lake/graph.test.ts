import { describe, expect, it } from "vitest";
import { edgeCounts, place, size } from "./graph";

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

describe("edge counts", () => {
  const edge = { read: 534128n, published: 6263n, superseded: 0n, dropped: 0n, quarantined: 12n };
  it("says how many groups an aggregate holds, not how often its runs wrote them", () => {
    const counts = edgeCounts(edge, { mode: "aggregate", rows: 4371n });
    expect(counts.map(({ label, rows }) => `${label} ${rows}`)).toEqual([
      "rows in 534128",
      "groups now 4371",
      "quarantined 12",
    ]);
  });
  it("says how many rows others published", () => {
    expect(edgeCounts(edge, { mode: "upsert", rows: 1n })[1]).toEqual({ label: "rows out", rows: 6263n, tone: "out" });
  });
});
