import { useTable } from "~/api/queries";
import { useFilters } from "~/app/search";
import { cli } from "~/lake/cli";
import { plural } from "~/lake/format";
import { schemaDiff } from "~/lake/schema";
import { CopyCli } from "~/ui/copy";
import { Select } from "~/ui/filters";
import { Card } from "~/ui/layout";
import { useTableName } from "./name";

export default function SchemaTab() {
  const name = useTableName();
  const query = useTable(name);
  const [filters, setFilters] = useFilters();
  const data = query.data;
  if (!data) return null;
  const older = data.schemas.filter((schema) => schema.columns.length > 0);
  const against = older.find((schema) => String(schema.id) === filters.against);
  const lines = schemaDiff(data.columns, against?.columns ?? data.columns);
  const documented = lines.some((line) => line.column.doc !== "");
  const changed = lines.filter((line) => line.change !== "same").length;
  return (
    <Card
      flush
      title={plural(data.columns.length, "column")}
      aside={
        <>
          {older.length > 1 && (
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
          )}
          <CopyCli command={cli.table(name)} />
        </>
      }
    >
      <section className="overflow-x-auto" aria-label="Columns of the table" tabIndex={0}>
        <table className="grid-table" aria-label="Columns">
          <thead>
            <tr>
              {against && <th scope="col">Change</th>}
              <th scope="col">Id</th>
              <th scope="col">Column</th>
              <th scope="col">Type</th>
              <th scope="col">Values</th>
              <th scope="col" className={documented ? "" : "w-full"}>
                Role
              </th>
              {documented && (
                <th scope="col" className="w-full">
                  Note
                </th>
              )}
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
                <td className="min-w-44 font-medium">
                  {column.name}
                  {was && was.name !== column.name && (
                    <span className="ml-2 font-normal text-ink-3">was {was.name}</span>
                  )}
                </td>
                <td>
                  <code className="text-ink-2">{column.type}</code>
                  {was && was.type !== column.type && <code className="ml-2 text-ink-3">was {was.type}</code>}
                </td>
                <td className="text-ink-2">{column.required ? "required" : "optional"}</td>
                <td className="text-ink-2">{roles(column.name, data.partitionBy, data.sortBy)}</td>
                {documented && <td className="text-ink-2">{column.doc}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
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
