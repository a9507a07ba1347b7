/** What a test found of an engine: a cell of the matrix for one table format. */
export type Finding = {
  engine: string;
  version: string;
  feature: string;
  /** The table format; absent where it makes no difference. */
  format?: number;
  passes: boolean;
  reason?: string;
  test: string;
};

/** Lines and columns of the matrix, in order. */
export type Layout = { features: string[]; engines: { name: string; heading: string }[] };

export type Gap = { format: number; reason: string; test: string };

/** A feature in an engine. Format 0 stands for every one. */
export type Cell = { passes: { format: number; test: string }[]; gaps: Gap[] };

export type Engine = { name: string; heading: string; version: string };

export type Line = { feature: string; cells: ReadonlyMap<string, Cell> };

export type Matrix = { engines: Engine[]; lines: Line[] };

/** The matrix of the findings on one object store. Lines and columns that nothing was found of are left out. */
export function matrixOf(findings: readonly Finding[], layout: Layout): Matrix {
  const versions = new Map(findings.map((finding) => [finding.engine, finding.version]));
  const engines = layout.engines
    .filter((engine) => versions.has(engine.name))
    .map((engine) => ({ ...engine, version: versions.get(engine.name)!.replace(/^head$/, "") }));
  const lines = layout.features.map((feature) => {
    const cells = new Map<string, Cell>();
    for (const finding of findings) {
      if (finding.feature !== feature) continue;
      const cell = cells.get(finding.engine) ?? { passes: [], gaps: [] };
      cells.set(finding.engine, cell);
      const format = finding.format ?? 0;
      if (finding.passes) cell.passes.push({ format, test: finding.test });
      else cell.gaps.push({ format, reason: finding.reason ?? "", test: finding.test });
    }
    return { feature, cells };
  });
  return { engines, lines: lines.filter((line) => line.cells.size > 0) };
}

/** "v2", or the word for every format. */
export function formatName(format: number, every: string): string {
  return format === 0 ? every : `v${format}`;
}

/** All that a line says in some engines, for the text filter. */
export function textOf(line: Line, engines: readonly Engine[]): string {
  const reasons = engines.flatMap((engine) => line.cells.get(engine.name)?.gaps.map((gap) => gap.reason) ?? []);
  return [line.feature, ...reasons].join(" ");
}

/** Whether some of the engines do not do it with every format. */
export function hasGap(line: Line, engines: readonly Engine[]): boolean {
  return engines.some((engine) => (line.cells.get(engine.name)?.gaps.length ?? 0) > 0);
}

/** How many checks the matrix tells of. */
export function checksOf(matrix: Matrix): number {
  let checks = 0;
  for (const line of matrix.lines) {
    for (const cell of line.cells.values()) checks += cell.passes.length + cell.gaps.length;
  }
  return checks;
}
