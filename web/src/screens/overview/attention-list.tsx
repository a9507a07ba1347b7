import type { Item } from "~/lake/attention";
import { layerOf } from "~/lake/name";
import { CopyCli } from "~/ui/copy";
import { Go } from "~/ui/go";
import { Empty } from "~/ui/states";
import { LayerTag, SeverityIcon } from "~/ui/status";

export function Attention({ items }: { items: Item[] }) {
  if (items.length === 0) {
    return (
      <Empty small title="All is calm.">
        No job failed, no table is unwell, no row is held back.
      </Empty>
    );
  }
  return (
    <ul className="divide-y divide-line">
      {items.slice(0, 12).map((item) => (
        <li key={item.key} className="flex flex-wrap items-center gap-x-3 gap-y-1.5 px-4 py-2">
          <SeverityIcon severity={item.severity} />
          <div className="min-w-0 flex-1 basis-52">
            <div className="flex items-center gap-2">
              <LayerTag layer={layerOf(item.subject)} />
              <span className="truncate font-medium">{item.subject}</span>
            </div>
            <p className="mt-0.5 break-words text-ink-2">{item.reason}</p>
          </div>
          <span className="ml-auto flex items-center gap-1">
            <CopyCli command={item.cli} compact />
            <Go
              to={item.action.to}
              params={item.action.params}
              search={item.action.search}
              aria-label={`${item.action.label}: ${item.subject}`}
              className="inline-flex h-7 shrink-0 items-center rounded-md border border-line-strong px-2.5 text-xs font-medium transition-colors hover:border-ink-3 hover:bg-raised"
            >
              {item.action.label}
            </Go>
          </span>
        </li>
      ))}
      {items.length > 12 && (
        <li className="px-4 py-2 text-xs text-ink-3">
          and {items.length - 12} more: see{" "}
          <Go to="/tables" search={{ sort: "health" }} className="link">
            tables by health
          </Go>
          .
        </li>
      )}
    </ul>
  );
}
