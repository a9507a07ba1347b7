import { useMemo } from "react";
import { useQuarantine } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import type { QuarantineCount, QuarantinedRow } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { ago, clip, count, millis, moment, plural } from "~/lake/format";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { FacetList, FilterField } from "~/ui/filters";
import { ScreenHead } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { RowDrawer } from "./row-drawer";

const PAGE = 500;

export default function Quarantine() {
  const [filters, setFilters] = useFilters();
  const { model = "", rule = "", lane = "", q = "", sort = "", row = "" } = filters;
  const pages = Math.max(1, Math.min(20, Number(filters.pages) || 1));
  const query = useQuarantine({ model, rule, limit: PAGE, pages });
  const now = useNow();
  const rows = query.data?.rows ?? [];
  const counts = query.data?.counts ?? [];
  const shown = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((entry) => {
      if (lane && entry.lane !== lane) return false;
      const text = `${entry.rowId} ${entry.payload} ${entry.reasons.join(" ")}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }, [rows, lane, q]);
  const columns = useMemo(() => columnsAt(now), [now]);
  const all = counts.reduce((sum, entry) => sum + entry.rows, 0n);
  const open = rows.find((entry) => keyOf(entry) === row);
  const total = query.data?.total ?? 0n;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead
        title="Quarantine"
        lead={
          all === 0n && total === 0n
            ? "Rows that a rule left out are kept here, with reason and payload."
            : `${plural(total, "row")} ${model || rule ? "like that " : ""}left out by a rule, kept with reason and payload.`
        }
        actions={
          <>
            <FilterField value={q} onChange={(text) => setFilters({ q: text })} label="Filter payloads" />
            <CopyCli command={cli.quarantine(model, rule)} />
          </>
        }
      />
      <div className="grid min-h-0 flex-1 gap-4 px-6 pb-6 lg:grid-cols-[15rem_minmax(0,1fr)]">
        <div className="min-h-0 space-y-5 overflow-y-auto">
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
            facets={sumBy(
              counts.filter((entry) => !rule || entry.rule === rule),
              (entry) => entry.model,
            )}
          />
          <FacetList
            title={`Contributor${BigInt(rows.length) < total ? `, of ${count(rows.length)} loaded` : ""}`}
            value={lane}
            onChange={(value) => setFilters({ lane: value })}
            facets={lanes(rows)}
          />
        </div>
        <div className="card flex min-h-64 flex-col overflow-hidden">
          <Loaded query={query} doing="list the quarantined rows" rows={12}>
            {() => (
              <DataTable
                label="Quarantined rows"
                className="flex-1"
                columns={columns}
                rows={shown}
                rowId={keyOf}
                sort={sort}
                onSort={(value) => setFilters({ sort: value })}
                selected={row}
                onOpen={(entry) => setFilters({ row: keyOf(entry) }, true)}
                minWidth={900}
                empty={
                  all === 0n && rows.length === 0 && !model && !rule ? (
                    <Empty title="No row is in quarantine.">
                      A rule with <code>on_fail: quarantine</code> keeps what it leaves out here, in the same
                      transaction as what it publishes.
                    </Empty>
                  ) : (
                    <Empty title="No row is like that.">
                      <button
                        type="button"
                        className="link"
                        onClick={() => setFilters({ model: undefined, rule: undefined, lane: undefined, q: undefined })}
                      >
                        Show all rows
                      </button>
                    </Empty>
                  )
                }
              />
            )}
          </Loaded>
          {BigInt(rows.length) < total && (
            <div className="flex items-center gap-3 border-t border-line bg-raised px-4 py-1.5 text-xs text-ink-2">
              <span className="num flex-1">
                newest {count(rows.length)} of {count(total)} rows
              </span>
              <Button kind="quiet" disabled={query.isFetching} onClick={() => setFilters({ pages: String(pages + 1) })}>
                Load more
              </Button>
            </div>
          )}
        </div>
      </div>
      <RowDrawer row={open} onClose={() => setFilters({ row: undefined })} />
    </div>
  );
}

/** What tells quarantined rows apart. */
export function keyOf(row: QuarantinedRow): string {
  return `${row.model}/${row.rowId}/${row.runId}`;
}

function sumBy(counts: readonly QuarantineCount[], by: (entry: QuarantineCount) => string) {
  const sums = new Map<string, bigint>();
  for (const entry of counts) sums.set(by(entry), (sums.get(by(entry)) ?? 0n) + entry.rows);
  return [...sums].sort((a, b) => Number(b[1] - a[1])).map(([value, rows]) => ({ value, label: value, count: rows }));
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
      cell: (row) => <code className="text-xs text-ink-2">{clip(row.payload, 400)}</code>,
    },
    {
      id: "at",
      head: "When",
      width: "7rem",
      align: "right",
      by: (row) => millis(row.quarantinedAt),
      cell: (row) => (
        <span className="text-ink-2" title={moment(row.quarantinedAt)}>
          {ago(row.quarantinedAt, now)}
        </span>
      ),
    },
  ];
}
