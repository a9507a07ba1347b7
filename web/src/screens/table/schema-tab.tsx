import { useTable } from "~/api/queries";
import { useFilters } from "~/app/search";
import type { Column } from "~/gen/firn/v1/catalog_pb";
import { Select } from "~/ui/filters";
import { Card } from "~/ui/layout";
import { useTableName } from "./name";

type Change = "same" | "added" | "removed" | "changed";

/** Columns of one schema against another, by field id: a rename is a change, not a loss. */
export function schemaDiff(
  now: readonly Column[],
  before: readonly Column[],
): { column: Column; change: Change; was?: Column }[] {
  const old = new Map(before.map((column) => [column.id, column]));
  const lines: { column: Column; change: Change; was?: Column }[] = now.map((column) => {
    const was = old.get(column.id);
    if (!was) return { column, change: "added" };
    const same = was.name === column.name && was.type === column.type && was.required === column.required;
    return same ? { column, change: "same" } : { column, change: "changed", was };
  });
  const kept = new Set(now.map((column) => column.id));
  for (const column of before) if (!kept.has(column.id)) lines.push({ column, change: "removed" });
  return lines;
}

export default function SchemaTab() {
  const name = useTableName();
  const query = useTable(name);
  const [filters, setFilters] = useFilters();
  const data = query.data;
  if (!data) return null;
  const older = data.schemas.filter((schema) => schema.columns.length > 0);
  const against = older.find((schema) => String(schema.id) === filters.against);
  const lines = schemaDiff(data.columns, against?.columns ?? data.columns);
  const changed = lines.filter((line) => line.change !== "same").length;
  return (
    <Card
      flush
      title={`${data.columns.length} columns`}
      aside={
        older.length > 1 && (
          <>
            {against && (
              <span className="text-xs text-ink-3">{changed === 0 ? "no difference" : `${changed} different`}</span>
            )}
            <Select
              label="Compare with"
              value={filters.against ?? ""}
              onChange={(value) => setFilters({ against: value })}
              options={[
                { value: "", label: "Compare with…" },
                ...older.map((schema) => ({
                  value: String(schema.id),
                  label: `schema ${schema.id} (${schema.columns.length} columns)`,
                })),
              ]}
            />
          </>
        )
      }
    >
      <div className="overflow-x-auto">
        <table className="grid-table" aria-label="Columns">
          <thead>
            <tr>
              {against && <th scope="col">Change</th>}
              <th scope="col">Id</th>
              <th scope="col">Column</th>
              <th scope="col">Type</th>
              <th scope="col">Null</th>
              <th scope="col">Role</th>
              <th scope="col" className="w-full">
                Note
              </th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ column, change, was }) => (
              <tr
                key={`${change}-${column.id}`}
                className={`h-9 ${change === "removed" ? "text-ink-3 line-through" : ""}`}
              >
                {against && (
                  <td
                    className={
                      change === "added"
                        ? "text-good"
                        : change === "removed"
                          ? "text-bad"
                          : change === "changed"
                            ? "text-warn"
                            : "text-ink-3"
                    }
                  >
                    {change === "same" ? "" : change}
                  </td>
                )}
                <td className="num text-ink-3">{column.id}</td>
                <td className="font-medium">
                  {column.name}
                  {was && was.name !== column.name && (
                    <span className="ml-2 font-normal text-ink-3">was {was.name}</span>
                  )}
                </td>
                <td>
                  <code className="text-ink-2">{column.type}</code>
                  {was && was.type !== column.type && <code className="ml-2 text-ink-3">was {was.type}</code>}
                </td>
                <td className="text-ink-2">{column.required ? "never" : "may be"}</td>
                <td className="text-ink-2">{roles(column.name, data.partitionBy, data.sortBy)}</td>
                <td className="text-ink-2">{column.doc}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function roles(
  name: string,
  partitionBy: readonly { source: string; transform: string }[],
  sortBy: readonly string[],
): string {
  const parts = partitionBy
    .filter((field) => field.source === name)
    .map((field) => `partition${field.transform && field.transform !== "identity" ? ` (${field.transform})` : ""}`);
  if (sortBy.some((entry) => entry.split(" ")[0] === name)) parts.push("sort");
  return parts.join(", ");
}
