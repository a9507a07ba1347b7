import { useMemo } from "react";
import { useFilters } from "~/app/search";
import type { DataFile } from "~/gen/firn/v1/catalog_pb";
import { cli } from "~/lake/cli";
import { matching } from "~/lake/filter";
import { count, plural } from "~/lake/format";
import { partitionName } from "~/lake/partitions";
import { bytesCol, countCol } from "~/ui/columns";
import { CopyCli } from "~/ui/copy";
import type { Col } from "~/ui/data-table";
import { Card } from "~/ui/layout";
import { ListCard, NoneLike, TextFilter } from "~/ui/list";
import { Empty, Loaded } from "~/ui/states";
import { useFiles } from "./files";
import { Histogram } from "./histogram";
import { useTableName } from "./name";
import { SnapshotPicker } from "./snapshot-picker";

const LIMIT = 5000;

export default function FilesTab() {
  const name = useTableName();
  const [filters, setFilters] = useFilters();
  const { q = "", snapshot = "" } = filters;
  const query = useFiles(name, snapshot, LIMIT);
  const files = useMemo(() => query.data?.files ?? [], [query.data]);
  const shown = useMemo(
    () => matching(files, q, (file) => `${file.path} ${partitionName(file.partition)} ${file.content}`),
    [files, q],
  );
  const total = query.data?.total ?? 0n;
  return (
    <div className="flex h-full min-h-[34rem] flex-col gap-4">
      <Card
        className="shrink-0"
        title="File sizes"
        aside={
          <>
            {query.data && (
              <span className="text-xs text-ink-3" data-files={total.toString()}>
                {plural(total, "live file")}
              </span>
            )}
            <SnapshotPicker table={name} value={snapshot} onChange={(value) => setFilters({ snapshot: value })} />
            <CopyCli command={cli.files(name, snapshot)} />
          </>
        }
      >
        <Loaded query={query} doing="read the file sizes" rows={5}>
          {(data) => <Histogram buckets={data.histogram} target={data.targetBytes} />}
        </Loaded>
      </Card>
      <ListCard
        query={query}
        doing="list the files"
        head={
          <>
            <h2 className="flex-1 text-sm font-semibold whitespace-nowrap">
              Files{" "}
              <span className="num font-normal text-ink-3">
                {count(shown.length)}
                {BigInt(shown.length) < total && ` of ${count(total)}`}
              </span>
            </h2>
            {BigInt(files.length) < total && (
              <span className="text-xs text-ink-3">filter and order over the first {count(files.length)}</span>
            )}
            <TextFilter label="Filter by partition or path" />
          </>
        }
        label="Files"
        columns={columns}
        rows={shown}
        rowId={(file) => file.path}
        sort="-bytes"
        empty={
          files.length === 0 ? (
            <Empty small title="No live file." command={cli.ingest(name)} />
          ) : (
            <NoneLike what="file" all={plural(files.length, "file")} filters={["q"]} />
          )
        }
      />
    </div>
  );
}

const columns: Col<DataFile>[] = [
  {
    id: "partition",
    head: "Partition",
    by: (file) => partitionName(file.partition),
    cell: (file) => partitionName(file.partition),
  },
  {
    id: "content",
    head: "Content",
    width: "8.5rem",
    by: (file) => file.content,
    cell: (file) => (
      <span className={file.content === "data" ? "text-ink-2" : "font-medium text-warn"}>{file.content}</span>
    ),
  },
  countCol("rows", "Rows", (file) => file.rows),
  bytesCol("bytes", "Size", (file) => file.bytes),
  {
    id: "sequence",
    head: "Sequence",
    width: "6.5rem",
    align: "right",
    by: (file) => file.sequenceNumber,
    cell: (file) => file.sequenceNumber.toString(),
  },
  {
    id: "path",
    head: "Path",
    by: (file) => file.path,
    cell: (file) => (
      <code className="text-ink-3" title={file.path}>
        {file.path.split("/").at(-1)}
      </code>
    ),
  },
];
