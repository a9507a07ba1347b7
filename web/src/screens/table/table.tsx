import { Tabs } from "radix-ui";
import { lazy, Suspense } from "react";
import { useTable } from "~/api/queries";
import { useNow } from "~/app/live";
import { useFilters } from "~/app/search";
import { cli } from "~/lake/cli";
import { ago, bytes, count, moment, plural, shortSnapshot } from "~/lake/format";
import { layerOf, sideOf } from "~/lake/name";
import { CopyCli } from "~/ui/copy";
import { Go, TableLink } from "~/ui/go";
import { ScreenHead } from "~/ui/layout";
import { Fault, Waiting } from "~/ui/states";
import { HealthBadge, LayerTag } from "~/ui/status";
import { Why } from "~/ui/why";
import { CompactButton } from "./compact";
import { useTableName } from "./name";

const OverviewTab = lazy(() => import("./overview-tab"));
const SchemaTab = lazy(() => import("./schema-tab"));
const SnapshotsTab = lazy(() => import("./snapshots-tab"));
const FilesTab = lazy(() => import("./files-tab"));
const PartitionsTab = lazy(() => import("./partitions-tab"));
const DataTab = lazy(() => import("./data-tab"));
const HealthTab = lazy(() => import("./health-tab"));
const ConnectTab = lazy(() => import("./connect-tab"));

const tabs = [
  { id: "overview", label: "Overview", view: OverviewTab },
  { id: "data", label: "Data", view: DataTab },
  { id: "schema", label: "Schema", view: SchemaTab },
  { id: "snapshots", label: "Snapshots", view: SnapshotsTab },
  { id: "files", label: "Files", view: FilesTab },
  { id: "partitions", label: "Partitions", view: PartitionsTab },
  { id: "health", label: "Health", view: HealthTab },
  { id: "connect", label: "Connect", view: ConnectTab },
];

export default function TableScreen() {
  const name = useTableName();
  const [filters, setFilters] = useFilters();
  const query = useTable(name);
  const now = useNow();
  const tab = tabs.some((entry) => entry.id === filters.tab) ? filters.tab! : "overview";

  if (query.error && !query.data) {
    return (
      <>
        <ScreenHead title={name} above={<Trail name={name} />} />
        <div className="px-6">
          <Fault error={query.error} doing={`open the table ${name}`} retry={() => void query.refetch()} />
        </div>
      </>
    );
  }
  if (!query.data) {
    return (
      <>
        <ScreenHead title={name} above={<Trail name={name} />} />
        <Waiting rows={12} />
      </>
    );
  }
  const { summary } = query.data;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <ScreenHead
        above={<Trail name={name} />}
        title={
          <>
            <LayerTag layer={layerOf(name)} />
            <span className="break-all">{name.split(".").at(-1)}</span>
            <span className="text-sm font-normal">
              <HealthBadge health={summary?.health} focusable />
            </span>
          </>
        }
        lead={
          summary && (
            <span className="num flex flex-wrap gap-x-4">
              <span data-table-rows={summary.rows.toString()}>{plural(summary.rows, "row")}</span>
              <span>{plural(summary.dataFiles, "file")}</span>
              <span>{bytes(summary.bytes)}</span>
              <span title={moment(summary.updatedAt)}>last commit {ago(summary.updatedAt, now)}</span>
              <Why
                text={`Snapshot ${summary.snapshotId}, one of ${count(summary.snapshots)}. Format version ${summary.formatVersion}.`}
              >
                snapshot {shortSnapshot(summary.snapshotId)}
              </Why>
            </span>
          )
        }
        actions={
          <>
            <CompactButton table={name} />
            <CopyCli command={cli.table(name)} />
          </>
        }
      />
      <Tabs.Root
        value={tab}
        onValueChange={(value) =>
          // Filters are of a tab; the snapshot is of the table.
          setFilters(
            {
              tab: value === "overview" ? undefined : value,
              q: undefined,
              sort: undefined,
              op: undefined,
              at: undefined,
            },
            true,
          )
        }
        className="flex min-h-0 flex-1 flex-col"
      >
        <Tabs.List aria-label="Views of the table" className="flex gap-1 overflow-x-auto border-b border-line px-5">
          {tabs.map((entry) => (
            <Tabs.Trigger
              key={entry.id}
              value={entry.id}
              // On a narrow screen the chosen tab may be outside the strip.
              ref={entry.id === tab ? reveal : null}
              className="-mb-px h-9 shrink-0 border-b-2 border-transparent px-2.5 font-medium text-ink-2 transition-colors hover:text-ink data-[state=active]:border-ice data-[state=active]:text-ink"
            >
              {entry.label}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {tabs.map((entry) => (
          <Tabs.Content
            key={entry.id}
            value={entry.id}
            className="min-h-0 flex-1 overflow-y-auto px-6 py-4 outline-offset-[-2px]"
          >
            <Suspense fallback={<Waiting />}>
              <entry.view />
            </Suspense>
          </Tabs.Content>
        ))}
      </Tabs.Root>
    </div>
  );
}

function reveal(chosen: HTMLElement | null): void {
  chosen?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function Trail({ name }: { name: string }) {
  const parts = name.split(".").slice(0, -1);
  const side = sideOf(name);
  return (
    <nav aria-label="Trail" className="flex items-center gap-1.5">
      <Go to="/tables" className="hover:text-ink hover:underline">
        Tables
      </Go>
      {parts.map((part, index) => (
        <span key={parts.slice(0, index + 1).join(".")} className="flex items-center gap-1.5">
          <span aria-hidden>/</span>
          <Go
            to="/tables"
            search={{ ns: parts.slice(0, index + 1).join(".") }}
            className="hover:text-ink hover:underline"
          >
            {part}
          </Go>
        </span>
      ))}
      {side && (
        <span>
          · {side.side} of <TableLink name={side.table} />
        </span>
      )}
    </nav>
  );
}
