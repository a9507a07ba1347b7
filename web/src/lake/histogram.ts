import { bytes } from "./format";

export type Bucket = { below: bigint; files: bigint; bytes: bigint };

export type Bar = {
  label: string;
  from: number;
  /** Exclusive; Infinity for the last bucket. */
  below: number;
  files: bigint;
  bytes: bigint;
  /** Height against the tallest bar, 0 to 1. */
  height: number;
  /** Where the bar stands against the target size. */
  place: "small" | "target" | "large";
};

/**
 * The band of sizes that the compactor leaves alone: from three quarters of the
 * target to nine fifths of it, as bin packing does.
 */
export function targetBand(target: number): { from: number; to: number } {
  return { from: target * 0.75, to: target * 1.8 };
}

/** Bars of a file-size histogram, from the smallest size up. */
export function bars(buckets: readonly Bucket[], target: number): Bar[] {
  const sorted = [...buckets].sort((a, b) => order(a.below) - order(b.below));
  const tallest = sorted.reduce((most, bucket) => (bucket.files > most ? bucket.files : most), 0n);
  const band = targetBand(target);
  let from = 0;
  return sorted.map((bucket) => {
    const below = bucket.below === 0n ? Number.POSITIVE_INFINITY : Number(bucket.below);
    const bar: Bar = {
      label: label(from, below),
      from,
      below,
      files: bucket.files,
      bytes: bucket.bytes,
      height: tallest === 0n ? 0 : Number(bucket.files) / Number(tallest),
      place: target === 0 || below <= band.from ? "small" : from >= band.to ? "large" : "target",
    };
    from = below;
    return bar;
  });
}

/** Bars without the empty ones at both ends, so that the shape fills the space. */
export function trimBars(all: readonly Bar[]): Bar[] {
  const first = all.findIndex((bar) => bar.files > 0n);
  if (first < 0) return [];
  const last = all.findLastIndex((bar) => bar.files > 0n || bar.place === "target");
  return all.slice(first, last + 1);
}

function order(below: bigint): number {
  return below === 0n ? Number.POSITIVE_INFINITY : Number(below);
}

function label(from: number, below: number): string {
  if (below === Number.POSITIVE_INFINITY) return `≥ ${bytes(from)}`;
  if (from === 0) return `< ${bytes(below)}`;
  return `${bytes(from)} – ${bytes(below)}`;
}
