import { createQueryOptions, useTransport } from "@connectrpc/connect-query";
import { useQueries } from "@tanstack/react-query";
import { ChevronRight, Table2 } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { useFilters } from "~/app/search";
import { useStable } from "~/app/stable";
import { CatalogService, type GetTableResponse } from "~/gen/firn/v1/catalog_pb";
import { matching } from "~/lake/filter";
import { count } from "~/lake/format";
import { layerOf, parseTable, sideOf, sqlName } from "~/lake/name";
import { FilterField } from "~/ui/filters";
import { Empty, Waiting } from "~/ui/states";

const EAGER = 24;

/**
 * Columns by table, for completion. A small catalog is read whole; of a large
 * one only the tables that the query names.
 */
export function useColumns(tables: readonly string[], sql: string): ReadonlyMap<string, readonly string[]> {
  const transport = useTransport();
  const wanted = useStable(
    useMemo(
      () => (tables.length <= EAGER ? tables : tables.filter((table) => sql.includes(table))).slice(0, EAGER),
      [tables, sql],
    ),
  );
  // The editor's language is made anew with each new map: it must not change with each key.
  const combine = useCallback(
    (answers: { data: GetTableResponse | undefined }[]) =>
      new Map(
        wanted.map((table, index) => [table, (answers[index]?.data?.columns ?? []).map((column) => column.name)]),
      ),
    [wanted],
  );
  return useQueries({
    queries: wanted.map((table) => ({
      ...createQueryOptions(CatalogService.method.getTable, { table: parseTable(table) }, { transport }),
      staleTime: 60_000,
    })),
    combine,
  });
}

export function CatalogPanel({
  tables,
  columns,
  onInsert,
  loading,
}: {
  tables: readonly string[];
  columns: ReadonlyMap<string, readonly string[]>;
  onInsert: (text: string) => void;
  loading: boolean;
}) {
  const [filters, setFilters] = useFilters();
  const text = filters.find ?? "";
  const found = useMemo(() => matching(tables, text, (table) => table), [tables, text]);
  const shown = found.slice(0, 200);
  return (
    <aside aria-label="Catalog" className="hidden min-h-0 flex-col border-l border-line bg-surface lg:flex">
      <div className="border-b border-line p-2">
        <FilterField value={text} onChange={(find) => setFilters({ find })} label="Filter tables" className="w-full" />
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto p-1.5">
        {loading && <Waiting />}
        {!loading && tables.length === 0 && <Empty small title="No table yet." />}
        <ul>
          {shown.map((table) => (
            <Entry key={table} table={table} columns={columns.get(table)} onInsert={onInsert} />
          ))}
        </ul>
        {found.length > shown.length && (
          <p className="px-2 py-1 text-xs text-ink-3">and {count(found.length - shown.length)} more: filter by name</p>
        )}
        {tables.length > 0 && found.length === 0 && (
          <p className="px-2 py-1 text-xs text-ink-2">No table is like that.</p>
        )}
      </div>
    </aside>
  );
}

function Entry({
  table,
  columns,
  onInsert,
}: {
  table: string;
  columns: readonly string[] | undefined;
  onInsert: (text: string) => void;
}) {
  const [open, setOpen] = useState(false);
  const layer = layerOf(table);
  return (
    <li>
      <div className="flex items-center">
        <button
          type="button"
          aria-expanded={open}
          aria-label={`Columns of ${table}`}
          onClick={() => setOpen(!open)}
          className="flex size-6 shrink-0 items-center justify-center rounded text-ink-3 hover:bg-sunken"
        >
          <ChevronRight aria-hidden className={`size-3 transition-transform ${open ? "rotate-90" : ""}`} />
        </button>
        <button
          type="button"
          title={`Insert ${table}`}
          onClick={() => onInsert(sqlName(table))}
          className={`flex h-7 min-w-0 flex-1 items-center gap-1.5 rounded px-1 text-left text-xs hover:bg-sunken ${sideOf(table) ? "text-ink-3" : "text-ink"}`}
        >
          <Table2
            aria-hidden
            className="size-3.5 shrink-0"
            style={{ color: layer === "other" ? "var(--ink-3)" : `var(--${layer})` }}
          />
          <span className="truncate">{table}</span>
        </button>
      </div>
      {open && (
        <ul className="mb-1 ml-8">
          {(columns ?? []).map((column) => (
            <li key={column}>
              <button
                type="button"
                onClick={() => onInsert(sqlName(column))}
                className="block h-6 w-full truncate rounded px-1.5 text-left font-mono text-xs text-ink-2 hover:bg-sunken hover:text-ink"
              >
                {column}
              </button>
            </li>
          ))}
          {columns === undefined && (
            <li className="px-1.5 text-xs text-ink-3">name the table in the query to load its columns</li>
          )}
        </ul>
      )}
    </li>
  );
}
