import { createQueryOptions, useQuery, useTransport } from "@connectrpc/connect-query";
import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { useRefresh } from "~/app/live";
import { CatalogService } from "~/gen/firn/v1/catalog_pb";
import { type JobState, MaintenanceService } from "~/gen/firn/v1/maintenance_pb";
import { ModelService } from "~/gen/firn/v1/model_pb";
import { parseTable } from "~/lake/name";

/** What several screens ask for, each with the pace at which it changes. */
export function useTables() {
  return useQuery(CatalogService.method.listTables, {}, useRefresh(5000));
}

export function useTable(name: string) {
  return useQuery(CatalogService.method.getTable, { table: parseTable(name) }, useRefresh(5000));
}

/** It samples rows, so it is asked for less often. */
export function useHotPartitions(name: string) {
  return useQuery(
    MaintenanceService.method.getHotPartitions,
    { table: parseTable(name) },
    { ...useRefresh(15_000), placeholderData: keepPreviousData },
  );
}

export function useSnapshots(name: string, limit = 500) {
  return useQuery(CatalogService.method.listSnapshots, { table: parseTable(name), limit }, useRefresh(5000));
}

export function useJobs(input: { states?: JobState[]; table?: string; limit?: number } = {}) {
  return useQuery(
    MaintenanceService.method.listJobs,
    {
      states: input.states ?? [],
      limit: input.limit ?? 200,
      ...(input.table ? { table: parseTable(input.table) } : {}),
    },
    { ...useRefresh(2000), placeholderData: keepPreviousData },
  );
}

/** What holds for the maintenance of a table, and who says so. */
export function usePolicy(table: string) {
  return useQuery(MaintenanceService.method.getPolicy, { of: parseTable(table) }, useRefresh(10_000));
}

export function useGraph() {
  return useQuery(ModelService.method.getGraph, {}, useRefresh(4000));
}

export function useRuns(input: { model?: string; limit?: number } = {}) {
  return useQuery(
    ModelService.method.listRuns,
    { model: input.model ?? "", limit: input.limit ?? 100 },
    { ...useRefresh(4000), placeholderData: keepPreviousData },
  );
}

/** The newest quarantined rows, a page at a time: the service answers 1,000 at the most. */
export function useQuarantine(input: { model?: string; rule?: string; limit: number; pages?: number }) {
  const transport = useTransport();
  const { limit, model = "", rule = "", pages = 1 } = input;
  const refresh = useRefresh(10_000);
  return useQueries({
    queries: Array.from({ length: pages }, (_, page) => ({
      ...createQueryOptions(
        ModelService.method.listQuarantine,
        { model, rule, limit, offset: page * limit },
        { transport },
      ),
      ...refresh,
      placeholderData: keepPreviousData,
    })),
    combine: (answers) => {
      const first = answers[0];
      const data = first?.data && {
        rows: answers.flatMap((answer) => answer.data?.rows ?? []),
        counts: first.data.counts,
        total: first.data.total,
      };
      return {
        data,
        error: first?.error ?? null,
        isPending: first?.isPending ?? true,
        isFetching: answers.some((answer) => answer.isFetching),
        refetch: () => Promise.all(answers.map((answer) => answer.refetch())),
      };
    },
  });
}
