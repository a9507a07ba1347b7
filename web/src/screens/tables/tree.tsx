import { ChevronRight, Folder, FolderOpen } from "lucide-react";
import { useMemo, useState } from "react";
import type { TableSummary } from "~/gen/firn/v1/catalog_pb";
import { count } from "~/lake/format";

type Branch = { path: string; name: string; tables: number; children: Branch[] };

// landing_2 stands before landing_10.
const byName = new Intl.Collator("en", { numeric: true });

/** Namespaces as a tree, each with the tables at and below it. */
function branches(tables: readonly TableSummary[]): Branch[] {
  const root: Branch = { path: "", name: "", tables: 0, children: [] };
  for (const table of tables) {
    let at = root;
    for (const level of table.table?.namespace ?? []) {
      const path = at.path ? `${at.path}.${level}` : level;
      let next = at.children.find((child) => child.path === path);
      if (!next) {
        next = { path, name: level, tables: 0, children: [] };
        at.children.push(next);
      }
      next.tables++;
      at = next;
    }
  }
  const order = ["bronze", "silver", "gold"];
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const sort = (branch: Branch) => {
    branch.children.sort((a, b) => place(a.name) - place(b.name) || byName.compare(a.name, b.name));
    branch.children.forEach(sort);
  };
  sort(root);
  return root.children;
}

export function NamespaceTree({
  tables,
  value,
  onChange,
}: {
  tables: readonly TableSummary[];
  value: string;
  onChange: (namespace: string | undefined) => void;
}) {
  const tree = useMemo(() => branches(tables), [tables]);
  return (
    <nav aria-label="Namespaces" className="hidden min-h-0 overflow-y-auto xl:block">
      <h2 className="eyebrow mb-1 px-2">Namespaces</h2>
      <ul>
        <li className="flex">
          <Leaf active={!value} onClick={() => onChange(undefined)} name="all" tables={tables.length} depth={0} />
        </li>
        {tree.map((branch) => (
          <Node key={branch.path} branch={branch} value={value} onChange={onChange} depth={0} />
        ))}
      </ul>
    </nav>
  );
}

function Node({
  branch,
  value,
  onChange,
  depth,
}: {
  branch: Branch;
  value: string;
  onChange: (namespace: string) => void;
  depth: number;
}) {
  const [open, setOpen] = useState(value.startsWith(`${branch.path}.`));
  const active = value === branch.path;
  return (
    <li>
      <div className="flex items-center">
        <Leaf
          active={active}
          onClick={() => onChange(branch.path)}
          name={branch.name}
          tables={branch.tables}
          depth={depth}
          open={open || active}
        />
        {branch.children.length > 0 && (
          <button
            type="button"
            aria-expanded={open}
            aria-label={`Levels below ${branch.name}`}
            onClick={() => setOpen(!open)}
            className="flex size-6 items-center justify-center rounded text-ink-3 hover:bg-sunken"
          >
            <ChevronRight aria-hidden className={`size-3.5 transition-transform ${open ? "rotate-90" : ""}`} />
          </button>
        )}
      </div>
      {open && branch.children.length > 0 && (
        <ul>
          {branch.children.map((child) => (
            <Node key={child.path} branch={child} value={value} onChange={onChange} depth={depth + 1} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Leaf({
  active,
  onClick,
  name,
  tables,
  depth,
  open = false,
}: {
  active: boolean;
  onClick: () => void;
  name: string;
  tables: number;
  depth: number;
  open?: boolean;
}) {
  const Icon = open || active ? FolderOpen : Folder;
  const layer = ["bronze", "silver", "gold"].includes(name) ? name : undefined;
  return (
    <button
      type="button"
      aria-pressed={active}
      onClick={onClick}
      style={{ paddingLeft: 8 + depth * 14 }}
      className={`flex h-7 min-w-0 flex-1 items-center gap-2 rounded-md pr-2 text-left transition-colors ${
        active ? "bg-ice-soft font-medium text-ink" : "text-ink-2 hover:bg-sunken hover:text-ink"
      }`}
    >
      <Icon
        aria-hidden
        className="size-3.5 shrink-0 text-ink-3"
        style={layer ? { color: `var(--${layer})` } : undefined}
      />
      <span className="min-w-0 flex-1 truncate">{name}</span>
      <span className="num text-xs text-ink-3">{count(tables)}</span>
    </button>
  );
}
