import { useMemo } from "react";
import { type Search, useFilters } from "~/app/search";
import { agreed, checksOf, differs, type Engine, gapsOf, type Line, textOf } from "~/lake/compatibility";
import { matching } from "~/lake/filter";
import { count, plural } from "~/lake/format";
import { type Col, DataTable } from "~/ui/data-table";
import { type Facet, Facets } from "~/ui/filters";
import { Go } from "~/ui/go";
import { Choice, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import { FeatureDrawer } from "./feature-drawer";
import { Formats, Legend, nameOf } from "./formats";
import { type Store, stores } from "./stores";

/** What engines do with Firn's tables, as the tests found it. */
export default function Compatibility() {
  const [filters, setFilters] = useFilters();
  const { q = "", gaps = "", feature = "", engine = "" } = filters;
  const [store, other] = filters.store === stores[1].value ? [stores[1], stores[0]] : stores;
  const { matrix } = store;
  const chosen = useMemo(() => matrix.engines.filter((entry) => entry.name === engine), [matrix, engine]);
  const one = chosen.length > 0;
  const engines = one ? chosen : matrix.engines;
  const columns = useMemo(() => columnsOf(engines, one, other, filters), [engines, one, other, filters]);
  const lacking = useMemo(() => matrix.lines.filter((line) => gapsOf(line, engines).length > 0), [matrix, engines]);
  const shown = useMemo(() => {
    const asked = matrix.lines.filter((line) => engines.some((entry) => line.cells.has(entry.id)));
    return matching(gaps ? lacking : asked, q, (line) => textOf(line, engines));
  }, [matrix, gaps, lacking, engines, q]);
  return (
    <ListScreen
      title="Compatibility"
      lead={leadOf(store, other)}
      actions={
        <>
          <Choice label="Object store" name="store" options={[...stores]} />
          <TextFilter label="Filter features and reasons" />
        </>
      }
      facets={
        <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
          <Facets
            label="Engine"
            value={one ? engine : ""}
            onChange={(value) => setFilters({ engine: value })}
            all={{ value: "", label: "All engines" }}
            facets={facetsOf(matrix.engines)}
          />
          <Facets
            label="Gaps"
            value={gaps}
            onChange={(value) => setFilters({ gaps: value })}
            facets={[{ value: "1", label: "What does not work", count: lacking.length }]}
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
        <Legend />
      </div>
      <FeatureDrawer
        line={matrix.lines.find((line) => line.feature === feature)}
        elsewhere={other.matrix.lines.find((line) => line.feature === feature)}
        engines={matrix.engines}
        store={store}
        other={other}
        onClose={() => setFilters({ feature: undefined })}
      />
    </ListScreen>
  );
}

function leadOf(store: Store, other: Store): string {
  const checks = checksOf(store.matrix);
  const same = agreed(store.matrix, other.matrix);
  const there =
    same === checks
      ? `all say the same on ${other.on}`
      : `${count(same)} say the same on ${other.on}, ≠ marks the rest`;
  return `${plural(checks, "check")} of real engines on ${store.on}, as the tests recorded them; ${there}.`;
}

/** A choice an engine; its version stands in it where there is but one. */
function facetsOf(engines: readonly Engine[]): Facet[] {
  return [...new Set(engines.map((engine) => engine.name))].map((value) => {
    const versions = engines.filter((engine) => engine.name === value);
    return { value, label: versions.length === 1 ? nameOf(versions[0]!) : versions[0]!.heading };
  });
}

function columnsOf(engines: readonly Engine[], reasons: boolean, other: Store, filters: Search): Col<Line>[] {
  const elsewhere = new Map(other.matrix.lines.map((line) => [line.feature, line.cells]));
  const columns: Col<Line>[] = [
    {
      id: "feature",
      head: "Feature",
      pinned: true,
      width: "clamp(9.5rem, 40vw, 20rem)",
      cell: (line) => (
        <Go
          to="/compatibility"
          search={{ ...filters, feature: line.feature }}
          className="text-ink underline-offset-2 hover:underline"
        >
          {line.feature}
        </Go>
      ),
    },
    ...engines.map((engine) => ({
      id: engine.id,
      head: nameOf(engine),
      width: "9rem",
      cell: (line: Line) => {
        const cell = line.cells.get(engine.id);
        return (
          <span className="flex items-center gap-1">
            <Formats cell={cell} />
            {differs(cell, elsewhere.get(line.feature)?.get(engine.id)) && (
              <span className="font-medium text-busy">
                <span aria-hidden>≠</span>
                <span className="sr-only">differs on {other.on}</span>
              </span>
            )}
          </span>
        );
      },
    })),
  ];
  if (!reasons) return columns;
  return [
    ...columns,
    {
      id: "reason",
      head: "Why not",
      least: "20rem",
      cell: (line) => (
        <span className="text-ink-2">{[...new Set(gapsOf(line, engines).map((gap) => gap.reason))].join("; ")}</span>
      ),
    },
  ];
}
