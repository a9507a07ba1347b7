import type { TableSummary } from "~/gen/firn/v1/catalog_pb";
import type { GraphNode } from "~/gen/firn/v1/model_pb";
import { ago, compact, count, millis, moment } from "~/lake/format";
import { layerOf, sideOf, tableName } from "~/lake/name";
import { Go, TableLink } from "~/ui/go";
import { Card } from "~/ui/layout";
import { HealthBadge, LayerTag } from "~/ui/status";

const order = ["bronze", "silver", "gold", "other"];

/** The main tables, from bronze to gold: how fresh, how well, how far behind. */
export function Freshness({
  tables,
  nodes,
  now,
}: {
  tables: readonly TableSummary[];
  nodes: readonly GraphNode[];
  now: number;
}) {
  const main = tables
    .filter((table) => !sideOf(tableName(table.table)))
    .sort((a, b) => {
      const byLayer = order.indexOf(layerOf(tableName(a.table))) - order.indexOf(layerOf(tableName(b.table)));
      return byLayer || (millis(a.updatedAt) ?? 0) - (millis(b.updatedAt) ?? 0);
    });
  const pending = new Map(nodes.map((node) => [node.name, node.pendingRows]));
  return (
    <Card
      flush
      title="Freshness"
      aside={
        <Go to="/tables" search={{ sort: "fresh" }} className="link text-xs">
          stalest first
        </Go>
      }
    >
      <div className="overflow-x-auto">
        <table className="grid-table" aria-label="Freshness of tables">
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col">Health</th>
              <th scope="col" className="text-right!">
                Rows
              </th>
              <th scope="col" className="text-right!">
                Behind
              </th>
              <th scope="col" className="text-right!">
                Last commit
              </th>
            </tr>
          </thead>
          <tbody>
            {main.slice(0, 10).map((table) => {
              const name = tableName(table.table);
              const behind = pending.get(name);
              return (
                <tr key={name} data-row className="h-9">
                  <td>
                    <span className="flex items-center gap-2">
                      <LayerTag layer={layerOf(name)} />
                      <TableLink name={name} className="truncate font-medium hover:underline" />
                    </span>
                  </td>
                  <td>
                    <HealthBadge health={table.health} />
                  </td>
                  <td className="num text-right">{count(table.rows)}</td>
                  <td className="num text-right text-ink-2" title="Source rows that the next run will read.">
                    {behind === undefined || layerOf(name) === "bronze"
                      ? "–"
                      : behind === 0n
                        ? "0"
                        : `${compact(behind)} rows`}
                  </td>
                  <td className="num text-right text-ink-2" title={moment(table.updatedAt)}>
                    {ago(table.updatedAt, now)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
