import { useSnapshots, useTable } from "~/api/queries";
import { useNow } from "~/app/live";
import { bytes, count, plural } from "~/lake/format";
import { trend } from "~/lake/snapshots";
import { CopyButton } from "~/ui/copy";
import { Card, Facts, Figure, Figures } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { useFiles } from "./files";
import { Histogram } from "./histogram";
import { useTableName } from "./name";
import { SnapshotList } from "./snapshot-list";
import { TrendChart } from "./trend-chart";

export default function OverviewTab() {
  const name = useTableName();
  const table = useTable(name);
  const snapshots = useSnapshots(name);
  const files = useFiles(name, "", 1);
  const now = useNow();
  const summary = table.data?.summary;
  if (!summary) return null;
  const data = trend(snapshots.data?.snapshots ?? []);
  const health = summary.health;
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <div className="min-w-0 space-y-4">
        <Figures>
          <Figure
            label="Rows"
            value={count(summary.rows)}
            note="at the head"
            why="Rows of the live data files less the rows of position deletes, by Iceberg metadata: no file is read for it."
          />
          <Figure
            label="Size"
            value={bytes(summary.bytes)}
            note={plural(summary.snapshots, "snapshot")}
            why="Data and delete files of the head. Files that only older snapshots reach come on top of it until these expire."
          />
          <Figure
            label="Files"
            value={count(summary.dataFiles)}
            note={plural(summary.deleteFiles, "delete file")}
            why="Live data files. Readers apply delete files to them as they read; compaction folds these in."
          />
          <Figure
            label="Average file"
            value={summary.dataFiles > 0n ? bytes(Number(summary.bytes) / Number(summary.dataFiles)) : "–"}
            note={
              files.data && files.data.targetBytes > 0n
                ? `target ${bytes(files.data.targetBytes)}`
                : health
                  ? plural(health.smallFiles, "small file")
                  : ""
            }
            why="Size over files. A small partition has one small file for ever, which no compaction can better."
          />
        </Figures>
        <Card title="Trend" aside={<span className="text-xs text-ink-3">diamonds are compactions</span>}>
          {data.at.length < 2 ? <Empty small title="The trend needs two snapshots." /> : <TrendChart trend={data} />}
        </Card>
        <Card
          title="File sizes"
          aside={files.data && <span className="text-xs text-ink-3">{plural(files.data.total, "file")}</span>}
        >
          <Loaded query={files} doing="read the file sizes" rows={4}>
            {(answer) => <Histogram buckets={answer.histogram} target={answer.targetBytes} />}
          </Loaded>
        </Card>
      </div>
      <div className="min-w-0 space-y-4">
        <Card title="Table">
          <Facts
            rows={[
              ["Format", `Iceberg v${summary.formatVersion}`],
              [
                "Partitioned by",
                table.data!.partitionBy.length === 0
                  ? "nothing"
                  : table.data!.partitionBy.map((field) => transform(field.transform, field.source)).join(", "),
              ],
              ["Sorted by", table.data!.sortBy.join(", ") || "nothing"],
              ["Columns", count(table.data!.columns.length)],
              [
                "UUID",
                <code key="uuid" className="break-all">
                  {summary.uuid}
                </code>,
              ],
              [
                "Location",
                <span key="location">
                  <code className="break-all">{summary.location}</code>
                  <CopyButton text={summary.location} label="Copy the location" icon />
                </span>,
              ],
              [
                "Metadata",
                <code key="metadata" className="break-all">
                  {table.data!.metadataLocation.split("/").at(-1)}
                </code>,
              ],
            ]}
          />
        </Card>
        {Object.keys(summary.properties).length > 0 && (
          <Card title="Properties">
            <Facts
              rows={Object.entries(summary.properties)
                .sort()
                .map(([key, value]) => [
                  <code key={key} className="break-all">
                    {key}
                  </code>,
                  <code key="value" className="break-all">
                    {value}
                  </code>,
                ])}
            />
          </Card>
        )}
        <Card title="Latest commits" flush>
          <SnapshotList snapshots={(snapshots.data?.snapshots ?? []).slice(0, 8)} table={name} now={now} />
        </Card>
      </div>
    </div>
  );
}

function transform(name: string, source: string): string {
  if (name === "identity" || name === "") return source;
  const parameter = /^(\w+)\[(\d+)\]$/.exec(name);
  return parameter ? `${parameter[1]}(${parameter[2]}, ${source})` : `${name}(${source})`;
}
