import type { PartitionSummary } from "~/gen/firn/v1/catalog_pb";
import type { PartitionField } from "~/gen/firn/v1/common_pb";

/** `country=France, day=2011-01-04`; NULL is a value of its own. */
export function partitionName(values: readonly PartitionField[]): string {
  if (values.length === 0) return "(unpartitioned)";
  return values.map((field) => `${field.name}=${field.value ?? "NULL"}`).join(", ");
}

export type Heat = { partition: PartitionSummary; name: string; share: number; level: 0 | 1 | 2 | 3 | 4 | 5 };

/** Partitions with their heat: how far their bytes lie above the median. */
export function heat(partitions: readonly PartitionSummary[]): Heat[] {
  const middle = median(partitions.map((partition) => Number(partition.bytes)));
  return partitions.map((partition) => {
    const factor = middle > 0 ? Number(partition.bytes) / middle : 1;
    const level = factor >= 64 ? 5 : factor >= 16 ? 4 : factor >= 4 ? 3 : factor >= 1.5 ? 2 : factor >= 0.5 ? 1 : 0;
    return { partition, name: partitionName(partition.values), share: partition.share, level };
  });
}

/** Gini coefficient of sizes: 0 when all are equal, near 1 when one has all. */
export function gini(sizes: readonly number[]): number {
  const sorted = [...sizes].sort((a, b) => a - b);
  const total = sorted.reduce((sum, size) => sum + size, 0);
  if (sorted.length === 0 || total === 0) return 0;
  const weighted = sorted.reduce((sum, size, index) => sum + (index + 1) * size, 0);
  return (2 * weighted) / (sorted.length * total) - (sorted.length + 1) / sorted.length;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
