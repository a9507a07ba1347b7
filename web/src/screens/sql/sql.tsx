import { createClient } from "@connectrpc/connect";
import { Download, ListTree, Play, Square } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTables } from "~/api/queries";
import { transport } from "~/api/transport";
import { useSql } from "~/api/use-sql";
import { useFilters } from "~/app/search";
import { useStable } from "~/app/stable";
import { csvParts } from "~/arrow/csv";
import { type ExplainResponse, QueryService } from "~/gen/firn/v1/query_pb";
import { cli } from "~/lake/cli";
import { tableName } from "~/lake/name";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Select } from "~/ui/filters";
import { Waiting } from "~/ui/states";
import { CatalogPanel, useColumns } from "./catalog-panel";
import { formatPins, parsePins, pinMessages } from "./pins";
import { Pins } from "./pins-bar";
import { Result } from "./result";

const Editor = lazy(() => import("./editor"));

const EXAMPLE = "SELECT 1 AS hello";
const LIMITS = ["1000", "10000", "100000", "0"];

export default function Sql() {
  const [filters, setFilters] = useFilters();
  const tables = useTables();
  const names = useStable(
    useMemo(() => (tables.data?.tables ?? []).map((table) => tableName(table.table)), [tables.data]),
  );
  const { state, run, cancel } = useSql();
  const [text, setText] = useState(filters.q ?? "");
  const [plan, setPlan] = useState<{ answer?: ExplainResponse; error?: unknown }>();
  const asked = useRef<object | undefined>(undefined);
  const { limit = "10000", at = "" } = filters;
  const pins = useMemo(() => parsePins(at), [at]);
  const columns = useColumns(names, text);
  const insert = useRef<(text: string) => void>(() => {});
  const linked = useRef(filters.q ?? "");

  // An address that was opened or gone back to brings its own query.
  useEffect(() => {
    const q = filters.q ?? "";
    if (q === linked.current) return;
    linked.current = q;
    setText(q);
  }, [filters.q]);

  const go = useCallback(
    (sql: string) => {
      const query = sql.trim();
      if (!query) return;
      linked.current = query;
      setFilters({ q: query });
      asked.current = undefined;
      setPlan(undefined);
      run({ sql: query, pins: pinMessages(pins), maxRows: BigInt(limit) });
    },
    [run, setFilters, pins, limit],
  );

  const explain = () => {
    cancel();
    linked.current = text.trim();
    setFilters({ q: text.trim() });
    const question = {};
    asked.current = question;
    setPlan({});
    // An answer that comes after another question is of no use any more.
    const show = (next: { answer?: ExplainResponse; error?: unknown }) => {
      if (asked.current === question) setPlan(next);
    };
    createClient(QueryService, transport)
      .explain({ sql: text.trim(), pins: pinMessages(pins) })
      .then(
        (answer) => show({ answer }),
        (error) => show({ error }),
      );
  };

  const download = () => {
    if (!state.result) return;
    const url = URL.createObjectURL(new Blob([...csvParts(state.result)], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "query.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };

  const running = state.status === "running";
  return (
    <div className="grid h-full min-h-0 lg:grid-cols-[minmax(0,1fr)_16rem]">
      <h1 className="sr-only">SQL</h1>
      <div className="flex min-h-0 min-w-0 flex-col">
        <div className="flex flex-wrap items-center gap-1.5 border-b border-line bg-surface px-4 py-2">
          {running ? (
            <Button kind="danger" icon={<Square aria-hidden className="size-3 fill-current" />} onClick={cancel}>
              Cancel
            </Button>
          ) : (
            <Button
              kind="primary"
              icon={<Play aria-hidden className="size-3.5" />}
              disabled={!text.trim()}
              onClick={() => go(text)}
            >
              Run
            </Button>
          )}
          <Button icon={<ListTree aria-hidden className="size-3.5" />} disabled={!text.trim()} onClick={explain}>
            Explain
          </Button>
          <Select
            label="Rows at the most"
            value={limit}
            onChange={(value) => setFilters({ limit: value === "10000" ? undefined : value })}
            options={LIMITS.map((value) => ({
              value,
              label: value === "0" ? "server's limit" : `${Number(value).toLocaleString("en-US")} rows`,
            }))}
          />
          <Pins tables={names} pins={pins} onChange={(next) => setFilters({ at: formatPins(next) })} />
          <span className="flex-1" />
          <span className="hidden text-2xs text-ink-3 xl:inline">
            <kbd>Ctrl Enter</kbd> runs
          </span>
          <Button
            kind="quiet"
            icon={<Download aria-hidden className="size-3.5" />}
            disabled={running || !state.result || state.rows === 0}
            onClick={download}
          >
            CSV
          </Button>
          <CopyCli command={cli.sql(text.trim() || EXAMPLE, at.replaceAll("@", "="))} />
        </div>
        <div className="h-56 min-h-24 shrink-0 resize-y overflow-hidden border-b border-line bg-surface">
          <Suspense fallback={<Waiting rows={3} />}>
            <Editor value={text} onChange={setText} onRun={go} tables={names} columns={columns} insertRef={insert} />
          </Suspense>
        </div>
        <Result
          state={state}
          plan={plan}
          tables={names}
          onExample={(sql) => {
            setText(sql);
            go(sql);
          }}
        />
      </div>
      <CatalogPanel
        tables={names}
        columns={columns}
        onInsert={(word) => insert.current(word)}
        loading={tables.isPending}
      />
    </div>
  );
}
