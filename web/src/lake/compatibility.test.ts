import { expect, test } from "vitest";
import embedded from "../../../docs/compatibility/embedded.json";
import layout from "../../../docs/compatibility/layout.json";
import minio from "../../../docs/compatibility/minio.json";
import { checksOf, type Finding, formatName, hasGap, matrixOf, textOf } from "./compatibility";

const found: Finding[] = [
  { engine: "trino", version: "483", feature: "append", format: 2, passes: true, test: "TestTrino" },
  {
    engine: "trino",
    version: "483",
    feature: "append",
    format: 3,
    passes: false,
    reason: "it cannot",
    test: "TestTrino",
  },
  { engine: "firn", version: "head", feature: "views", passes: true, test: "TestViews" },
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
  ]);
  expect(matrix.lines[1]?.cells.get("trino")).toEqual({
    passes: [{ format: 2, test: "TestTrino" }],
    gaps: [{ format: 3, reason: "it cannot", test: "TestTrino" }],
  });
  expect(matrix.lines[1]?.cells.has("firn")).toBe(false);
});

test("gaps, their words and their number", () => {
  const matrix = matrixOf(found, small);
  const [firn, trino] = matrix.engines;
  expect(matrix.lines.filter((line) => hasGap(line, matrix.engines)).map((line) => line.feature)).toEqual(["append"]);
  expect(matrix.lines.some((line) => hasGap(line, [firn!]))).toBe(false);
  expect(textOf(matrix.lines[1]!, [trino!])).toBe("append it cannot");
  expect(textOf(matrix.lines[1]!, [firn!])).toBe("append");
  expect(checksOf(matrix)).toBe(3);
  expect([formatName(0, "yes"), formatName(3, "yes")]).toEqual(["yes", "v3"]);
});

test("every finding of the tests has a line and a column", () => {
  for (const findings of [embedded, minio] as Finding[][]) {
    expect(checksOf(matrixOf(findings, layout))).toBe(findings.length);
    expect(findings.filter((finding) => !finding.passes && !finding.reason)).toEqual([]);
  }
});
