import type { Health } from "~/gen/firn/v1/catalog_pb";

export type Tone = "good" | "warn" | "bad" | "idle" | "busy";

/** What a score means. -1 is not known yet. */
export function healthTone(score: number): Tone {
  if (score < 0) return "idle";
  if (score >= 80) return "good";
  if (score >= 50) return "warn";
  return "bad";
}

export function healthLabel(health: Health | undefined): string {
  if (!health || health.score < 0) return "not measured";
  return { good: "healthy", warn: "wants work", bad: "poor", idle: "not measured", busy: "" }[healthTone(health.score)];
}

/**
 * Files that compaction could take away: small ones beyond one a partition. A
 * partition that holds little has one small file for ever, and that is no debt.
 */
export function excessFiles(health: Health | undefined): bigint {
  if (!health) return 0n;
  const least = health.partitions > 0n ? health.partitions : 1n;
  return health.smallFiles > least ? health.smallFiles - least : 0n;
}

/** What helps against a reason, by its machine name. */
export function remedy(code: string): { text: string; action: "compact" | "rebalance" | "expire" | "none" } {
  switch (code) {
    case "small_files":
      return { text: "Compaction fuses the small files of each partition.", action: "compact" };
    case "delete_files":
      return { text: "Compaction applies the delete files, so that readers need not.", action: "compact" };
    case "oversized":
      return { text: "Compaction splits files far above the target size.", action: "compact" };
    case "snapshots":
      return { text: "Expiry removes snapshots beyond the retention of the table.", action: "expire" };
    case "over_partitioned":
      return {
        text: "Compaction stays inside of partitions; a rebalance makes the partition spec coarser, when asked to.",
        action: "rebalance",
      };
    case "skew":
      return {
        text: "A rebalance lays out the rows of hot partitions by what scans select by; the partitions say what else would help.",
        action: "rebalance",
      };
    default:
      return { text: "", action: "none" };
  }
}
