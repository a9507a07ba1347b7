import type { ReactNode } from "react";
import { useFilters } from "~/app/search";
import { DataTable, type DataTableProps } from "./data-table";
import { FilterField, Select } from "./filters";
import { ScreenHead } from "./layout";
import { Empty, Loaded, type Query } from "./states";

/** A screen that is a list: its head stays, the list scrolls in what is left. */
export function ListScreen({
  title,
  lead,
  actions,
  facets,
  children,
}: {
  title: string;
  lead: ReactNode;
  actions: ReactNode;
  /** A line of facets between the head and the list. */
  facets?: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead title={title} lead={lead} actions={actions} />
      {facets && <div className="px-6 pb-3">{facets}</div>}
      <div className="flex min-h-96 flex-1 flex-col gap-4 px-6 pb-6">{children}</div>
    </div>
  );
}

/** A table in a card, while its rows are on their way and when they do not come. The order is in the URL. */
export function ListCard<T extends object>({
  query,
  doing,
  head,
  foot,
  sort = "",
  ...table
}: {
  query: Query<unknown>;
  doing: string;
  head?: ReactNode;
  foot?: ReactNode;
} & Omit<DataTableProps<T>, "onSort" | "className">) {
  const [filters, setFilters] = useFilters();
  return (
    <div className="card flex min-h-64 flex-1 flex-col overflow-hidden">
      {head && (
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-1.5">{head}</div>
      )}
      <Loaded query={query} doing={doing} rows={12}>
        {() => (
          <DataTable
            {...table}
            className="flex-1"
            sort={filters.sort ?? sort}
            onSort={(value) => setFilters({ sort: value })}
          />
        )}
      </Loaded>
      {foot}
    </div>
  );
}

/** The text filter of a screen; it is in the URL as `q`. */
export function TextFilter({ label }: { label: string }) {
  const [filters, setFilters] = useFilters();
  return <FilterField value={filters.q ?? ""} onChange={(q) => setFilters({ q })} label={label} />;
}

/** A choice of a screen; it is in the URL under its name, and absent when it is the first. */
export function Choice({
  label,
  name,
  options,
}: {
  label: string;
  name: string;
  options: { value: string; label: string }[];
}) {
  const [filters, setFilters] = useFilters();
  const first = options[0]?.value ?? "";
  return (
    <Select
      label={label}
      value={filters[name] ?? first}
      onChange={(value) => setFilters({ [name]: value === first ? undefined : value })}
      options={options}
    />
  );
}

/** The filters leave nothing: they can be taken off. */
export function NoneLike({ what, all, filters }: { what: string; all: string; filters: readonly string[] }) {
  const [, setFilters] = useFilters();
  return (
    <Empty title={`No ${what} is like that.`}>
      <button
        type="button"
        className="link"
        onClick={() => setFilters(Object.fromEntries(filters.map((name) => [name, undefined])))}
      >
        Show {all}
      </button>
    </Empty>
  );
}
