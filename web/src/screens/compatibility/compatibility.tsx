import { useMemo } from "react";
import { useFilters } from "~/app/search";
import {
  type Cell,
  checksOf,
  type Engine,
  type Finding,
  formatName,
  hasGap,
  type Line,
  matrixOf,
  textOf,
} from "~/lake/compatibility";
import { matching } from "~/lake/filter";
import { plural } from "~/lake/format";
import { type Col, DataTable } from "~/ui/data-table";
import { Facets } from "~/ui/filters";
import { Choice, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import embedded from "../../../../docs/compatibility/embedded.json";
import layout from "../../../../docs/compatibility/layout.json";
import minio from "../../../../docs/compatibility/minio.json";
import { FeatureDrawer } from "./feature-drawer";

const matrices = {
  embedded: matrixOf(embedded as Finding[], layout),
  minio: matrixOf(minio as Finding[], layout),
};

/** What engines do with Firn's tables, as the tests found it. */
export default function Compatibility() {
  const [filters, setFilters] = useFilters();
  const { q = "", gaps = "", feature = "" } = filters;
  const matrix = filters.store === "minio" ? matrices.minio : matrices.embedded;
  const one = matrix.engines.find((engine) => engine.name === filters.engine);
  const engines = useMemo(() => (one ? [one] : matrix.engines), [one, matrix]);
  const columns = useMemo(() => columnsOf(engines, one !== undefined), [engines, one]);
  const shown = useMemo(
    () =>
      matching(
        matrix.lines.filter((line) => (gaps ? hasGap(line, engines) : !one || line.cells.has(one.name))),
        q,
        (line) => textOf(line, engines),
      ),
    [matrix, gaps, engines, one, q],
  );
  return (
    <ListScreen
      title="Compatibility"
      lead={`${plural(checksOf(matrix), "check")} with real engines, run by the tests of this build. Format v1, v2 or v3 of the table; "yes" where it makes no difference.`}
      actions={
        <>
          <Choice
            label="Object store"
            name="store"
            options={[
              { value: "embedded", label: "Embedded store" },
              { value: "minio", label: "MinIO" },
            ]}
          />
          <TextFilter label="Filter features and reasons" />
        </>
      }
      facets={
        <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
          <Facets
            label="Engine"
            value={one?.name ?? ""}
            onChange={(value) => setFilters({ engine: value })}
            all={{ value: "", label: "All engines" }}
            facets={matrix.engines.map((engine) => ({ value: engine.name, label: nameOf(engine) }))}
          />
          <Facets
            label="Gaps"
            value={gaps}
            onChange={(value) => setFilters({ gaps: value })}
            facets={[
              {
                value: "1",
                label: "What does not work",
                count: matrix.lines.filter((line) => hasGap(line, engines)).length,
              },
            ]}
          />
        </div>
      }
    >
      <div className="card flex min-h-64 flex-1 flex-col overflow-hidden">
        <DataTable
          className="flex-1"
          label="Features by engine"
          columns={columns}
          rows={shown}
          rowId={(line) => line.feature}
          selected={feature}
          onOpen={(line) => setFilters({ feature: line.feature }, true)}
          empty={<NoneLike what="feature" all="all features" filters={["q", "gaps", "engine"]} />}
        />
      </div>
      <FeatureDrawer
        line={matrix.lines.find((line) => line.feature === feature)}
        engines={matrix.engines}
        onClose={() => setFilters({ feature: undefined })}
      />
    </ListScreen>
  );
}

/** An engine with its version; Firn's own is this one. */
export function nameOf(engine: Engine): string {
  return `${engine.heading} ${engine.version}`.trim();
}

function columnsOf(engines: readonly Engine[], reasons: boolean): Col<Line>[] {
  const columns: Col<Line>[] = [
    {
      id: "feature",
      head: "Feature",
      least: "16rem",
      ...(reasons ? { width: "22rem" } : {}),
      cell: (line) => <span className="text-ink">{line.feature}</span>,
    },
    ...engines.map((engine) => ({
      id: engine.name,
      head: nameOf(engine),
      width: "9.5rem",
      cell: (line: Line) => <Formats cell={line.cells.get(engine.name)} />,
    })),
  ];
  const [engine] = engines;
  if (!reasons || !engine) return columns;
  return [
    ...columns,
    {
      id: "reason",
      head: "Why not",
      least: "20rem",
      cell: (line) => (
        <span className="text-ink-2">
          {[...new Set(line.cells.get(engine.name)?.gaps.map((gap) => gap.reason))].join("; ")}
        </span>
      ),
    },
  ];
}

/** The formats with which it works, and those with which it does not. */
export function Formats({ cell }: { cell: Cell | undefined }) {
  if (!cell)
    return (
      <span className="text-ink-3">
        <span aria-hidden>–</span>
        <span className="sr-only">not tested</span>
      </span>
    );
  return (
    <span className="flex gap-1 overflow-hidden">
      {cell.passes.map(({ format }) => (
        <span key={format} className="rounded bg-good-soft px-1.5 text-xs font-medium text-good">
          {formatName(format, "yes")}
        </span>
      ))}
      {cell.gaps.map(({ format }) => (
        <span key={format} className="rounded bg-warn-soft px-1.5 text-xs font-medium whitespace-nowrap text-warn">
          {format === 0 ? "no" : `not v${format}`}
        </span>
      ))}
    </span>
  );
}
