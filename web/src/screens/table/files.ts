import { useQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { useRefresh } from "~/app/live";
import { CatalogService } from "~/gen/firn/v1/catalog_pb";
import { parseTable } from "~/lake/name";

/** Live files of a snapshot (the head when empty), with their size histogram. */
export function useFiles(table: string, snapshot: string, limit: number) {
  return useQuery(
    CatalogService.method.listFiles,
    { table: parseTable(table), snapshotId: snapshotId(snapshot), limit },
    { ...useRefresh(5000), placeholderData: keepPreviousData },
  );
}

/** A snapshot id from the URL; 0 is the head, also for what is no id. */
export function snapshotId(text: string | undefined): bigint {
  return text && /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
}
