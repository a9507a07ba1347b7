import { useCallback, useEffect, useRef, useState } from "react";
import type { ArrowResult } from "~/arrow/result";
import type { QueryHeader, QueryStats } from "~/gen/firn/v1/query_pb";
import { type QueryInput, runQuery } from "./run-query";

export type SqlState = {
  status: "idle" | "running" | "done" | "failed" | "cancelled";
  result: ArrowResult | undefined;
  /** Rows so far; changes while the result streams in. */
  rows: number;
  header: QueryHeader | undefined;
  stats: QueryStats | undefined;
  error: unknown;
  startedAt: number;
};

const idle: SqlState = {
  status: "idle",
  result: undefined,
  rows: 0,
  header: undefined,
  stats: undefined,
  error: undefined,
  startedAt: 0,
};

/** One query at a time: a new one, or leaving the screen, cancels the one before. */
export function useSql(): { state: SqlState; run: (input: QueryInput) => void; cancel: () => void } {
  const [state, setState] = useState<SqlState>(idle);
  const current = useRef<AbortController | undefined>(undefined);

  const run = useCallback((input: QueryInput) => {
    current.current?.abort();
    const controller = new AbortController();
    current.current = controller;
    const update = (change: Partial<SqlState>) => {
      if (current.current === controller) setState((old) => ({ ...old, ...change }));
    };
    setState({ ...idle, status: "running", startedAt: Date.now() });
    runQuery(
      input,
      {
        onHeader: (header) => update({ header }),
        onRows: (result) => update({ result, rows: result.rows }),
        onStats: (stats) => update({ stats }),
      },
      controller.signal,
    ).then(
      (result) => update({ status: "done", result, rows: result.rows }),
      (error) => update(controller.signal.aborted ? { status: "cancelled" } : { status: "failed", error }),
    );
  }, []);

  const cancel = useCallback(() => current.current?.abort(), []);
  useEffect(
    () => () => {
      current.current?.abort();
      current.current = undefined;
    },
    [],
  );
  return { state, run, cancel };
}
