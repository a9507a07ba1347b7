import type { Column } from "~/gen/firn/v1/catalog_pb";

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
