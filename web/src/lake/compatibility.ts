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

/** An engine in one version: a column. Firn's own version is this one, and is not told. */
export type Engine = { id: string; name: string; heading: string; version: string };

/** Cells by the id of their engine. */
export type Line = { feature: string; cells: ReadonlyMap<string, Cell> };

export type Matrix = { engines: Engine[]; lines: Line[] };

const idOf = (finding: Finding) => `${finding.engine} ${finding.version}`;

/** The matrix of the findings on one object store. Lines and columns that nothing was found of are left out. */
export function matrixOf(findings: readonly Finding[], layout: Layout): Matrix {
  const engines = layout.engines.flatMap(({ name, heading }) => {
    const versions = new Set(findings.filter((finding) => finding.engine === name).map((finding) => finding.version));
    return [...versions].map((version) => ({
      id: `${name} ${version}`,
      name,
      heading,
      version: version === "head" ? "" : version,
    }));
  });
  const lines = layout.features.map((feature) => {
    const cells = new Map<string, Cell>();
    for (const finding of findings) {
      if (finding.feature !== feature) continue;
      const cell = cells.get(idOf(finding)) ?? { passes: [], gaps: [] };
      cells.set(idOf(finding), cell);
      const format = finding.format ?? 0;
      if (finding.passes) cell.passes.push({ format, test: finding.test });
      else cell.gaps.push({ format, reason: finding.reason ?? "", test: finding.test });
    }
    return { feature, cells };
  });
  return { engines, lines: lines.filter((line) => line.cells.size > 0) };
}

/** "v2", or "yes" for every format. */
export function formatName(format: number): string {
  return format === 0 ? "yes" : `v${format}`;
}

/** "not v2", or "no" for every format. */
export function gapName(format: number): string {
  return format === 0 ? "no" : `not v${format}`;
}

/** The gaps of some engines in a line. */
export function gapsOf(line: Line, engines: readonly Engine[]): Gap[] {
  return engines.flatMap((engine) => line.cells.get(engine.id)?.gaps ?? []);
}

/** All that a line says in some engines, for the text filter. */
export function textOf(line: Line, engines: readonly Engine[]): string {
  return [line.feature, ...gapsOf(line, engines).map((gap) => gap.reason)].join(" ");
}

/** How many checks the matrix tells of. */
export function checksOf(matrix: Matrix): number {
  let checks = 0;
  for (const line of matrix.lines) {
    for (const cell of line.cells.values()) checks += cell.passes.length + cell.gaps.length;
  }
  return checks;
}

/** What a cell says, whichever test said it. */
function toldBy(cell: Cell | undefined): Map<number, string> {
  return new Map([
    ...(cell?.passes ?? []).map(({ format }): [number, string] => [format, "passes"]),
    ...(cell?.gaps ?? []).map(({ format, reason }): [number, string] => [format, reason]),
  ]);
}

/** In how many checks a cell and the one of another store say the same. */
function agreeing(here: Cell | undefined, there: Cell | undefined): number {
  const other = toldBy(there);
  return [...toldBy(here)].filter(([format, status]) => other.get(format) === status).length;
}

/** Whether a cell says something else on another store; a check that only one of them has counts. */
export function differs(here: Cell | undefined, there: Cell | undefined): boolean {
  const agreed = agreeing(here, there);
  return agreed < toldBy(here).size || agreed < toldBy(there).size;
}

/** How many checks of a matrix say the same on another store. */
export function agreed(here: Matrix, there: Matrix): number {
  const others = new Map(there.lines.map((line) => [line.feature, line.cells]));
  let same = 0;
  for (const line of here.lines) {
    for (const [engine, cell] of line.cells) same += agreeing(cell, others.get(line.feature)?.get(engine));
  }
  return same;
}
