import { expect, test } from "vitest";
import embedded from "../../../docs/compatibility/embedded.json";
import layout from "../../../docs/compatibility/layout.json";
import minio from "../../../docs/compatibility/minio.json";
import {
  agreed,
  checksOf,
  differs,
  type Finding,
  formatName,
  gapName,
  gapsOf,
  matrixOf,
  textOf,
} from "./compatibility";

const passes = (engine: string, version: string, feature: string, format?: number): Finding => ({
  engine,
  version,
  feature,
  ...(format ? { format } : {}),
  passes: true,
  test: "TestA",
});
const lacks = (reason: string): Finding => ({ ...passes("trino", "483", "append", 3), passes: false, reason });
const found: Finding[] = [
  passes("trino", "483", "append", 2),
  lacks("it cannot"),
  passes("firn", "head", "views"),
  passes("trino", "484", "append", 3),
];
const small = {
  features: ["views", "merge", "append"],
  engines: [
    { name: "firn", heading: "Firn SQL" },
    { name: "spark", heading: "Spark" },
    { name: "trino", heading: "Trino" },
  ],
};

test("lines and columns stand in the layout's order, without empty ones", () => {
  const matrix = matrixOf(found, small);
  expect(matrix.lines.map((line) => line.feature)).toEqual(["views", "append"]);
  expect(matrix.engines.map((engine) => `${engine.heading} ${engine.version}`.trim())).toEqual([
    "Firn SQL",
    "Trino 483",
    "Trino 484",
  ]);
  expect(matrix.lines[1]?.cells.get("trino 483")).toEqual({
    passes: [{ format: 2, test: "TestA" }],
    gaps: [{ format: 3, reason: "it cannot", test: "TestA" }],
  });
  expect(matrix.lines[1]?.cells.has("firn head")).toBe(false);
});

test("each version of an engine has findings of its own", () => {
  const [, append] = matrixOf(found, small).lines;
  expect(append?.cells.get("trino 484")).toEqual({ passes: [{ format: 3, test: "TestA" }], gaps: [] });
  expect(append?.cells.get("trino 483")?.gaps).toHaveLength(1);
});

test("gaps, their words and their number", () => {
  const matrix = matrixOf(found, small);
  const [firn, trino, newer] = matrix.engines;
  const append = matrix.lines[1]!;
  expect(gapsOf(append, matrix.engines).map((gap) => gap.reason)).toEqual(["it cannot"]);
  expect(gapsOf(append, [firn!, newer!])).toEqual([]);
  expect(textOf(append, [trino!])).toBe("append it cannot");
  expect(textOf(append, [firn!])).toBe("append");
  expect(checksOf(matrix)).toBe(4);
  expect([formatName(0), formatName(3), gapName(0), gapName(3)]).toEqual(["yes", "v3", "no", "not v3"]);
});

test.each<[string, Finding[], number]>([
  ["the same by another test", found.map((finding) => ({ ...finding, test: "TestB" })), 4],
  ["another reason", found.map((finding) => (finding.passes ? finding : lacks("it will not"))), 3],
  ["it works there", found.map((finding) => ({ ...finding, passes: true })), 3],
  ["a check less", found.slice(1), 3],
  ["a check more", [...found, passes("trino", "483", "append", 1)], 4],
  ["nothing", [], 0],
])("two stores: %s", (name, other, same) => {
  const here = matrixOf(found, small);
  const there = matrixOf(other, small);
  expect(agreed(here, there)).toBe(same);
  const cell = (matrix: typeof here) => matrix.lines.find((l) => l.feature === "append")?.cells.get("trino 483");
  expect(differs(cell(here), cell(there))).toBe(name !== "the same by another test");
});

test("every finding of the tests has a line and a column", () => {
  for (const findings of [embedded, minio] as Finding[][]) {
    expect(checksOf(matrixOf(findings, layout))).toBe(findings.length);
    expect(findings.filter((finding) => !finding.passes && !finding.reason)).toEqual([]);
  }
});
