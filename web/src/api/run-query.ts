import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { transport } from "~/api/transport";
import { ArrowResult } from "~/arrow/result";
import { type QueryHeader, QueryService, type QueryStats, type SnapshotPinSchema } from "~/gen/firn/v1/query_pb";

export type QueryInput = { sql: string; pins?: MessageInitShape<typeof SnapshotPinSchema>[]; maxRows?: bigint };

export type QueryEvents = {
  onHeader?: (header: QueryHeader) => void;
  onRows: (result: ArrowResult) => void;
  onStats?: (stats: QueryStats) => void;
};

/**
 * Runs a query and reports rows as they stream in. Ends with the result; the
 * signal cancels the call, which kills the query on the server.
 */
export async function runQuery(input: QueryInput, events: QueryEvents, signal: AbortSignal): Promise<ArrowResult> {
  const client = createClient(QueryService, transport);
  const result = new ArrowResult();
  const stream = client.query({ sql: input.sql, pins: input.pins ?? [], maxRows: input.maxRows ?? 0n }, { signal });
  for await (const { part } of stream) {
    if (part.case === "header") events.onHeader?.(part.value);
    else if (part.case === "arrowIpc") {
      if (result.push(part.value)) events.onRows(result);
    } else if (part.case === "stats") events.onStats?.(part.value);
  }
  if (result.torn) throw new Error("the result broke off in the middle of a record batch; run the query again");
  return result;
}
