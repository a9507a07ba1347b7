import { ChevronRight } from "lucide-react";
import type { TableSummary } from "~/gen/firn/v1/catalog_pb";
import type { GraphNode } from "~/gen/firn/v1/model_pb";
import { ago, bytes, compact, count, millis, moment, plural } from "~/lake/format";
import { type Layer, layerOf, sideOf, tableName } from "~/lake/name";
import { Go } from "~/ui/go";
import { Why } from "~/ui/why";

const words: Record<Layer, string> = {
  bronze: "as it fell",
  silver: "packed",
  gold: "glacier ice",
  other: "outside the layers",
};

/** The layers side by side: rows, tables, size, and how fresh the stalest table is. */
export function Layers({
  tables,
  nodes,
  now,
}: {
  tables: readonly TableSummary[];
  nodes: readonly GraphNode[];
  now: number;
}) {
  const layers: Layer[] = ["bronze", "silver", "gold"];
  if (tables.some((table) => layerOf(tableName(table.table)) === "other")) layers.push("other");
  return (
    <div className={`card grid overflow-hidden ${layers.length === 4 ? "sm:grid-cols-4" : "sm:grid-cols-3"}`}>
      {layers.map((layer, index) => (
        <LayerTile key={layer} layer={layer} tables={tables} nodes={nodes} now={now} first={index === 0} />
      ))}
    </div>
  );
}

function LayerTile({
  layer,
  tables,
  nodes,
  now,
  first,
}: {
  layer: Layer;
  tables: readonly TableSummary[];
  nodes: readonly GraphNode[];
  now: number;
  first: boolean;
}) {
  const members = tables.filter((table) => layerOf(tableName(table.table)) === layer);
  const main = members.filter((table) => !sideOf(tableName(table.table)));
  const rows = main.reduce((sum, table) => sum + table.rows, 0n);
  const size = members.reduce((sum, table) => sum + table.bytes, 0n);
  const pending = nodes.filter((node) => node.layer === layer).reduce((sum, node) => sum + node.pendingRows, 0n);
  const newest = members.reduce((latest, table) => Math.max(latest, millis(table.updatedAt) ?? 0), 0);
  const freshest = members.find((table) => millis(table.updatedAt) === newest);
  const color = layer === "other" ? "var(--ink-3)" : `var(--${layer})`;
  return (
    <div className={`relative min-w-0 px-5 pt-4 pb-4 ${first ? "" : "border-t border-line sm:border-t-0 sm:border-l"}`}>
      <div aria-hidden className="absolute inset-x-0 top-0 h-[3px]" style={{ background: color, opacity: 0.75 }} />
      {!first && layer !== "other" && (
        <span
          aria-hidden
          className="absolute top-1/2 -left-2.5 hidden size-5 -translate-y-1/2 items-center justify-center rounded-full border border-line bg-surface text-ink-3 sm:flex"
        >
          <ChevronRight className="size-3" />
        </span>
      )}
      <div className="flex items-baseline gap-2">
        <Go
          to="/tables"
          search={layer === "other" ? {} : { ns: layer }}
          className="text-sm font-semibold hover:underline"
        >
          <span style={{ color }}>{layer}</span>
        </Go>
        <span className="truncate text-xs text-ink-3">{words[layer]}</span>
      </div>
      <div className="num mt-2 text-2xl leading-8 font-semibold tracking-tight">
        <Why
          plain
          text={
            <>
              Rows of {plural(main.length, "table")} at their heads, by Iceberg metadata: {count(rows)}. Quarantine and
              other side tables are not counted.
            </>
          }
        >
          <span data-layer-rows={layer}>{count(rows)}</span>
        </Why>
        <span className="ml-1.5 text-sm font-normal tracking-normal text-ink-3">rows</span>
      </div>
      <div className="mt-2 flex flex-wrap justify-between gap-x-4 gap-y-1 text-xs">
        <Small label="tables" value={count(main.length)} why={`${plural(members.length, "table")} with side tables.`} />
        <Small label="size" value={bytes(size)} why="Data and delete files at the heads." />
        <Small
          label="last commit"
          value={newest ? ago(freshest?.updatedAt, now) : "never"}
          why={newest ? `${tableName(freshest?.table)} at ${moment(newest)}.` : "No table of this layer has a commit."}
        />
      </div>
      {pending > 0n && (
        <p className="mt-2 truncate text-xs text-ink-2">
          <span className="num font-medium">{compact(pending)}</span> source rows wait for the next run
        </p>
      )}
    </div>
  );
}

function Small({ label, value, why }: { label: string; value: string; why: string }) {
  return (
    <div className="min-w-0">
      <div className="whitespace-nowrap text-ink-3">{label}</div>
      <div className="num truncate font-medium text-ink">
        <Why plain focusable={false} text={why}>
          {value}
        </Why>
      </div>
    </div>
  );
}
