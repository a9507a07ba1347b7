import { useQuery } from "@connectrpc/connect-query";
import { useGraph, useJobs, useQuarantine, useTables } from "~/api/queries";
import { useNow, useRefresh } from "~/app/live";
import { CatalogService } from "~/gen/firn/v1/catalog_pb";
import { attention } from "~/lake/attention";
import { cli } from "~/lake/cli";
import { count, plural } from "~/lake/format";
import { CopyCli } from "~/ui/copy";
import { Card, ScreenHead } from "~/ui/layout";
import { Empty, Fault, Waiting } from "~/ui/states";
import { Attention } from "./attention-list";
import { CommitLog } from "./commit-log";
import { Freshness } from "./freshness";
import { Layers } from "./layers";
import { Rhythm } from "./rhythm-card";
import { EVENTS, Vitals } from "./vitals";

export default function Overview() {
  const tables = useTables();
  const jobs = useJobs();
  const graph = useGraph();
  const quarantine = useQuarantine({ limit: 1 });
  const events = useQuery(CatalogService.method.listEvents, { newestFirst: true, limit: EVENTS }, useRefresh(3000));
  const now = useNow();

  if (tables.error && !tables.data) {
    return (
      <div className="p-6">
        <Fault error={tables.error} doing="read the catalog" retry={() => void tables.refetch()} />
      </div>
    );
  }
  if (!tables.data) return <Waiting rows={12} />;
  const all = tables.data.tables;
  const items = attention({
    tables: all,
    jobs: jobs.data?.jobs ?? [],
    nodes: graph.data?.nodes ?? [],
    quarantine: quarantine.data?.counts ?? [],
  });
  const known = !jobs.isPending && !graph.isPending && !quarantine.isPending;
  return (
    <div className="contour min-h-full pb-8">
      <ScreenHead
        title="Overview"
        lead={
          all.length === 0
            ? "The lake is empty."
            : `${plural(all.length, "table")}. ${items.length === 0 ? (known ? "Nothing needs attention." : "") : `${count(items.length)} ${items.length === 1 ? "thing needs" : "things need"} attention.`}`
        }
        actions={<CopyCli command={cli.tables()} />}
      />
      {all.length === 0 ? (
        <Empty title="No table yet. Make one, and send its first row." command={cli.start()}>
          <p>
            Or replay the retail demo with <code>make demo</code>. Spark, Trino, PyIceberg and DuckDB write through the
            same catalog.
          </p>
        </Empty>
      ) : (
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4 px-6 xl:grid-cols-[minmax(0,1fr)_22rem]">
          <div className="min-w-0 space-y-4">
            <Layers tables={all} nodes={graph.data?.nodes ?? []} now={now} />
            <Card
              flush
              title={
                <>
                  Needs attention{" "}
                  <span className="num font-normal text-ink-3">{items.length > 0 ? items.length : ""}</span>
                </>
              }
              aside={<span className="text-xs text-ink-3">worst first</span>}
            >
              {jobs.error && (
                <p className="px-4 pt-3 text-xs text-ink-2">Jobs could not be read: they are missing here.</p>
              )}
              {graph.error && (
                <p className="px-4 pt-3 text-xs text-ink-2">Models could not be read: they are missing here.</p>
              )}
              <Attention items={items} />
            </Card>
            <Rhythm events={events.data?.events ?? []} />
            <Freshness tables={all} nodes={graph.data?.nodes ?? []} now={now} />
          </div>
          <div className="min-w-0 space-y-4">
            <Vitals
              tables={all}
              jobs={jobs.data}
              quarantine={quarantine.data}
              events={events.data?.events ?? []}
              now={now}
            />
            <CommitLog events={events.data?.events ?? []} now={now} error={events.error} />
          </div>
        </div>
      )}
    </div>
  );
}
