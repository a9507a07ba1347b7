import { type Cell, type Engine, formatName, gapName } from "~/lake/compatibility";

const chip = "rounded px-1.5 text-xs font-medium whitespace-nowrap";
const works = `${chip} bg-good-soft text-good`;
const fails = `${chip} bg-warn-soft text-warn`;

/** An engine with its version. */
export function nameOf(engine: Engine): string {
  return `${engine.heading} ${engine.version}`.trim();
}

/** The formats with which it works, and those with which it does not. */
export function Formats({ cell, untested = "–" }: { cell: Cell | undefined; untested?: string }) {
  if (!cell) {
    return (
      <span className="text-ink-3">
        <span aria-hidden={untested === "–"}>{untested}</span>
        {untested === "–" && <span className="sr-only">not tested</span>}
      </span>
    );
  }
  return (
    <span className="flex gap-1 overflow-hidden">
      {cell.passes.map(({ format }) => (
        <span key={format} className={works}>
          {formatName(format)}
        </span>
      ))}
      {cell.gaps.map(({ format }) => (
        <span key={format} className={fails}>
          {gapName(format)}
        </span>
      ))}
    </span>
  );
}

/** What the cells mean. */
export function Legend() {
  const words = [
    { sign: <span className={works}>v2</span>, means: "works with this table format" },
    { sign: <span className={works}>yes</span>, means: "works, the format makes no difference" },
    { sign: <span className={fails}>not v3</span>, means: "does not: open the feature for why" },
    { sign: "–", means: "not tested" },
  ];
  return (
    <ul className="flex flex-wrap gap-x-5 gap-y-1 border-t border-line bg-raised px-3 py-1.5 text-xs text-ink-3">
      {words.map(({ sign, means }) => (
        <li key={means} className="flex items-center gap-1.5">
          {sign} {means}
        </li>
      ))}
    </ul>
  );
}
