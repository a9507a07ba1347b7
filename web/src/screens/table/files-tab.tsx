import { useMemo } from "react";
import { useFilters } from "~/app/search";
import type { DataFile } from "~/gen/firn/v1/catalog_pb";
import { cli } from "~/lake/cli";
import { bytes, count, plural } from "~/lake/format";
import { partitionName } from "~/lake/partitions";
import { CopyCli } from "~/ui/copy";
import { type Col, DataTable } from "~/ui/data-table";
import { FilterField } from "~/ui/filters";
import { Card } from "~/ui/layout";
import { Empty, Loaded } from "~/ui/states";
import { useFiles } from "./files";
import { Histogram } from "./histogram";
import { useTableName } from "./name";
import { SnapshotPicker } from "./snapshot-picker";

const LIMIT = 5000;

export default function FilesTab() {
  const name = useTableName();
  const [filters, setFilters] = useFilters();
  const { q = "", sort = "-bytes", snapshot = "" } = filters;
  const query = useFiles(name, snapshot, LIMIT);
  return (
    <div className="flex h-full min-h-[34rem] flex-col gap-4">
      <Loaded query={query} doing="list the files" rows={12}>
        {(data) => (
          <>
            <Card
              className="shrink-0"
              title="File sizes"
              aside={
                <>
                  <span className="text-xs text-ink-3" data-files={data.total.toString()}>
                    {plural(data.total, "live file")}
                  </span>
                  <SnapshotPicker table={name} value={snapshot} onChange={(value) => setFilters({ snapshot: value })} />
                  <CopyCli command={cli.files(name)} />
                </>
              }
            >
              <Histogram buckets={data.histogram} target={data.targetBytes} />
            </Card>
            <FileTable
              files={data.files}
              total={data.total}
              q={q}
              sort={sort}
              onFilter={(text) => setFilters({ q: text })}
              onSort={(value) => setFilters({ sort: value })}
              table={name}
            />
          </>
        )}
      </Loaded>
    </div>
  );
}

function FileTable({
  files,
  total,
  q,
  sort,
  onFilter,
  onSort,
  table,
}: {
  files: DataFile[];
  total: bigint;
  q: string;
  sort: string;
  onFilter: (text: string) => void;
  onSort: (sort: string) => void;
  table: string;
}) {
  const shown = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return words.length === 0
      ? files
      : files.filter((file) => {
          const text = `${file.path} ${partitionName(file.partition)} ${file.content}`.toLowerCase();
          return words.every((word) => text.includes(word));
        });
  }, [files, q]);
  return (
    <div className="card flex min-h-64 flex-1 flex-col overflow-hidden">
      <div className="flex items-center gap-3 border-b border-line px-4 py-1.5">
        <h2 className="flex-1 text-sm font-semibold">
          Files{" "}
          <span className="num font-normal text-ink-3">
            {count(shown.length)}
            {BigInt(shown.length) < total && ` of ${count(total)}`}
          </span>
        </h2>
        <FilterField value={q} onChange={onFilter} label="Filter by partition or path" />
      </div>
      <DataTable
        label="Files"
        className="flex-1"
        columns={columns}
        rows={shown}
        rowId={(file) => file.path}
        sort={sort}
        onSort={onSort}
        minWidth={820}
        empty={
          <Empty
            small
            title={files.length === 0 ? "No live file." : "No file is like that."}
            {...(files.length === 0 ? { command: cli.ingest(table) } : {})}
          />
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
    cell: (file) => <span title={partitionName(file.partition)}>{partitionName(file.partition)}</span>,
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
  {
    id: "rows",
    head: "Rows",
    width: "7rem",
    align: "right",
    by: (file) => file.rows,
    cell: (file) => count(file.rows),
  },
  {
    id: "bytes",
    head: "Size",
    width: "7rem",
    align: "right",
    by: (file) => file.bytes,
    cell: (file) => bytes(file.bytes),
  },
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
