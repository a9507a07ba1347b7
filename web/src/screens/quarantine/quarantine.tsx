import { useMemo } from "react";
import { useGraph, useQuarantine } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { GraphNode, QuarantineCount, QuarantinedRow } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { clip, count, plural } from "~/lake/format";
import { Button } from "~/ui/button";
import { agoCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { FacetList } from "~/ui/filters";
import { ListCard, ListScreen, NoneLike, TextFilter } from "~/ui/list";
import { Empty } from "~/ui/states";
import { RowDrawer } from "./row-drawer";

const PAGE = 500;
const MOST_PAGES = 20;

export default function Quarantine() {
  const [filters, setFilters] = useFilters();
  const { model = "", rule = "", lane = "", q = "", row = "" } = filters;
  const pages = Math.max(1, Math.min(MOST_PAGES, Number(filters.pages) || 1));
  const query = useQuarantine({ model, rule, limit: PAGE, pages });
  const now = useNow();
  const graph = useGraph();
  const rows = useMemo(() => query.data?.rows ?? [], [query.data]);
  const counts = query.data?.counts ?? [];
  const shown = useMemo(
    () =>
      matching(
        rows.filter((entry) => !lane || entry.lane === lane),
        q,
        (entry) => `${entry.rowId} ${entry.payload} ${entry.reasons.join(" ")}`,
      ),
    [rows, lane, q],
  );
  const columns = useMemo(() => columnsAt(now), [now]);
  const open = rows.find((entry) => keyOf(entry) === row);
  const total = query.data?.total ?? 0n;
  const narrowed = model || rule || lane || q;
  return (
    <ListScreen
      title="Quarantine"
      lead={
        total === 0n && !model && !rule
          ? "Rows that a rule left out are kept here, with reason and payload."
          : `${plural(total, "row")} ${model || rule ? "like that " : ""}left out by a rule, kept with reason and payload.`
      }
      actions={
        <>
          <TextFilter label="Filter payloads" />
          <CopyCli command={cli.quarantine(model, rule)} />
        </>
      }
    >
      <div className="grid min-h-0 flex-1 gap-4 max-lg:grid-rows-[auto_minmax(22rem,1fr)] lg:grid-cols-[15rem_minmax(0,1fr)]">
        <div className="min-h-0 space-y-5 overflow-y-auto max-lg:max-h-56">
          <FacetList
            title="Rule"
            value={rule}
            onChange={(value) => setFilters({ rule: value, row: undefined })}
            facets={sumBy(
              counts.filter((entry) => !model || entry.model === model),
              (entry) => entry.rule,
            )}
          />
          <FacetList
            title="Model"
            value={model}
            onChange={(value) => setFilters({ model: value, row: undefined })}
            facets={models(counts, rule, graph.data?.nodes ?? [])}
          />
          <FacetList
            title={`Contributor${BigInt(rows.length) < total ? `, of ${count(rows.length)} loaded` : ""}`}
            value={lane}
            onChange={(value) => setFilters({ lane: value })}
            facets={lanes(rows)}
          />
        </div>
        <ListCard
          query={query}
          doing="list the quarantined rows"
          label="Quarantined rows"
          columns={columns}
          rows={shown}
          rowId={keyOf}
          selected={row}
          onOpen={(entry) => setFilters({ row: keyOf(entry) }, true)}
          empty={
            narrowed ? (
              <NoneLike what="row" all="all rows" filters={["model", "rule", "lane", "q"]} />
            ) : (
              <Empty title="No row is in quarantine.">
                A rule with <code>on_fail: quarantine</code> keeps what it leaves out here, in the same transaction as
                what it publishes.
              </Empty>
            )
          }
          foot={
            BigInt(rows.length) < total && (
              <div className="flex items-center gap-3 border-t border-line bg-raised px-4 py-1.5 text-xs text-ink-2">
                <span className="num flex-1">
                  newest {count(rows.length)} of {plural(total, "row")}
                </span>
                <Button
                  kind="quiet"
                  disabled={query.isFetching || pages >= MOST_PAGES}
                  onClick={() => setFilters({ pages: String(pages + 1) })}
                >
                  {pages >= MOST_PAGES ? "Narrow it by a rule to see more" : "Load more"}
                </Button>
              </div>
            )
          }
        />
      </div>
      <RowDrawer row={open} onClose={() => setFilters({ row: undefined })} />
    </ListScreen>
  );
}

/** What tells quarantined rows apart. */
function keyOf(row: QuarantinedRow): string {
  return `${row.model}/${row.rowId}/${row.runId}`;
}

function sumBy(counts: readonly QuarantineCount[], by: (entry: QuarantineCount) => string) {
  const sums = new Map<string, bigint>();
  for (const entry of counts) sums.set(by(entry), (sums.get(by(entry)) ?? 0n) + entry.rows);
  return [...sums].sort((a, b) => Number(b[1] - a[1])).map(([value, rows]) => ({ value, label: value, count: rows }));
}

/**
 * Rows by model. A row that violates two rules is counted by each of them, so
 * over all rules the model's own count stands.
 */
function models(counts: readonly QuarantineCount[], rule: string, nodes: readonly GraphNode[]) {
  const own = new Map(nodes.map((node) => [node.name, node.quarantined]));
  return sumBy(
    counts.filter((entry) => !rule || entry.rule === rule),
    (entry) => entry.model,
  ).map((facet) => (rule ? facet : { ...facet, count: own.get(facet.value) ?? facet.count }));
}

function lanes(rows: readonly QuarantinedRow[]) {
  const sums = new Map<string, number>();
  for (const row of rows) if (row.lane) sums.set(row.lane, (sums.get(row.lane) ?? 0) + 1);
  return [...sums].sort((a, b) => b[1] - a[1]).map(([value, n]) => ({ value, label: value, count: n }));
}

function columnsAt(now: number): Col<QuarantinedRow>[] {
  return [
    {
      id: "reason",
      head: "Reason",
      width: "15rem",
      by: (row) => row.reasons.join(),
      cell: (row) => (
        <span className="flex gap-1 overflow-hidden">
          {row.reasons.map((reason) => (
            <span key={reason} className="truncate rounded bg-warn-soft px-1.5 text-xs font-medium text-warn">
              {reason}
            </span>
          ))}
        </span>
      ),
    },
    { id: "lane", head: "Contributor", width: "10rem", by: (row) => row.lane, cell: (row) => row.lane || "–" },
    {
      id: "model",
      head: "Model",
      width: "12rem",
      by: (row) => row.model,
      cell: (row) => <span className="text-ink-2">{row.model}</span>,
    },
    {
      id: "payload",
      head: "Payload",
      least: "20rem",
      cell: (row) => <code className="text-xs text-ink-2">{clip(row.payload, 400)}</code>,
    },
    agoCol("at", "When", (row) => row.quarantinedAt, now),
  ];
}
