import type { TableSummary } from "~/gen/firn/v1/catalog_pb";
import { type Job, JobState } from "~/gen/firn/v1/maintenance_pb";
import { type GraphNode, type QuarantineCount, RunState } from "~/gen/firn/v1/model_pb";
import { cli } from "./cli";
import { count, plural } from "./format";
import { remedy } from "./health";
import { tableName } from "./name";

export type Action = { label: string; to: string; params?: Record<string, string>; search?: Record<string, string> };

export type Item = {
  key: string;
  severity: "bad" | "warn" | "note";
  /** What it is about: a table, a model, a job. */
  subject: string;
  reason: string;
  action: Action;
  cli: string;
  /** For the order within a severity: the more, the worse. */
  weight: number;
};

export type Lake = {
  tables: readonly TableSummary[];
  jobs: readonly Job[];
  nodes: readonly GraphNode[];
  quarantine: readonly QuarantineCount[];
};

const rank = { bad: 0, warn: 1, note: 2 };

/**
 * What wants a person, worst first, each with its reason and one action. A
 * failed job that a later one of the same kind has made good is not among them.
 */
export function attention(lake: Lake): Item[] {
  const items = [
    ...failedJobs(lake.jobs),
    ...models(lake.nodes),
    ...lake.tables.flatMap(unhealthy),
    ...quarantined(lake.quarantine),
  ];
  return items.sort((a, b) => rank[a.severity] - rank[b.severity] || b.weight - a.weight || (a.key < b.key ? -1 : 1));
}

function failedJobs(jobs: readonly Job[]): Item[] {
  const settled = new Set<string>();
  const items: Item[] = [];
  // Newest first, so what was seen before came later.
  for (const job of jobs) {
    const subject = job.model || tableName(job.table);
    const key = `${job.kind}/${subject}`;
    if (settled.has(key)) continue;
    if (job.state === JobState.SUCCEEDED) settled.add(key);
    if (job.state !== JobState.FAILED) continue;
    settled.add(key);
    items.push({
      key: `job/${job.id}`,
      severity: "bad",
      subject,
      reason: `Job failed at attempt ${job.attempt}: ${job.error || "no reason was recorded"}`,
      action: { label: "Open job", to: "/jobs", search: { job: job.id } },
      cli: cli.retry(job.id),
      weight: 1000,
    });
  }
  return items;
}

function models(nodes: readonly GraphNode[]): Item[] {
  return nodes.flatMap((node): Item[] => {
    if (node.state === RunState.FAILED) {
      return [
        {
          key: `model/${node.name}`,
          severity: "bad",
          subject: node.name,
          reason: "The last run failed; nothing of it was published, the watermark stands where it was.",
          action: { label: "Open model", to: "/medallion", search: { node: node.name } },
          cli: cli.run(node.name),
          weight: 900,
        },
      ];
    }
    if (node.pendingRows > 0n && node.mode !== "source" && node.state !== RunState.RUNNING) {
      return [
        {
          key: `pending/${node.name}`,
          severity: "note",
          subject: node.name,
          reason: `${plural(node.pendingRows, "source row")} not promoted yet.`,
          action: { label: "Open model", to: "/medallion", search: { node: node.name } },
          cli: cli.run(node.name),
          weight: Math.log10(Number(node.pendingRows) + 1),
        },
      ];
    }
    return [];
  });
}

function unhealthy(table: TableSummary): Item[] {
  const { health } = table;
  if (!health || health.score < 0 || health.score >= 80) return [];
  const worst = [...health.reasons].sort((a, b) => b.points - a.points)[0];
  const name = tableName(table.table);
  const help = remedy(worst?.code ?? "");
  return [
    {
      key: `table/${name}`,
      severity: health.score < 50 ? "bad" : "warn",
      subject: name,
      reason: `Health ${health.score}: ${worst?.message ?? "no reason was given"}`,
      action: {
        label: help.action === "none" ? "See why" : "See the fix",
        to: "/tables/$table",
        params: { table: name },
        search: { tab: "health" },
      },
      cli: help.action === "none" ? cli.health(name) : cli[help.action](name),
      weight: 100 - health.score,
    },
  ];
}

function quarantined(counts: readonly QuarantineCount[]): Item[] {
  return counts
    .filter((entry) => entry.rows > 0n)
    .map((entry) => ({
      key: `quarantine/${entry.model}/${entry.rule}`,
      severity: "warn" as const,
      subject: entry.model,
      reason: `${count(entry.rows)} ${entry.rows === 1n ? "row" : "rows"} in quarantine by rule ${entry.rule}.`,
      action: { label: "See rows", to: "/quarantine", search: { model: entry.model, rule: entry.rule } },
      cli: cli.quarantine(entry.model, entry.rule),
      weight: Math.log10(Number(entry.rows) + 1),
    }));
}
