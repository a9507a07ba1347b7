import { useMemo } from "react";
import { bytes, count, plural } from "~/lake/format";
import { type Bucket, bars, targetBand, trimBars } from "~/lake/histogram";
import { Empty } from "~/ui/states";
import { Why } from "~/ui/why";

/** File sizes, with the band around the target size that compaction leaves alone. */
export function Histogram({ buckets, target }: { buckets: readonly Bucket[]; target: bigint }) {
  const shown = useMemo(() => trimBars(bars(buckets, Number(target))), [buckets, target]);
  if (shown.length === 0) return <Empty small title="No file yet." />;
  // A single bar is a bar, not a wall.
  const maxWidth = `${shown.length * 8}rem`;
  const band = targetBand(Number(target));
  const inBand = shown.filter((bar) => bar.place === "target");
  const bandFrom = shown.findIndex((bar) => bar.place === "target");
  return (
    <figure>
      <div className="relative flex h-44 items-stretch gap-1" style={{ maxWidth }}>
        {inBand.length > 0 && (
          <div
            aria-hidden
            className="absolute inset-y-0 rounded-md border border-dashed border-good/50 bg-good-soft/60"
            style={{
              left: `${(bandFrom / shown.length) * 100}%`,
              width: `${(inBand.length / shown.length) * 100}%`,
            }}
          >
            <span className="absolute top-1 right-1.5 text-2xs font-medium text-good">target</span>
          </div>
        )}
        {shown.map((bar) => (
          <div key={bar.label} className="relative flex min-w-0 flex-1 flex-col justify-end px-px">
            <Why
              plain
              focusable={false}
              text={
                <>
                  <span className="font-medium text-ink">{plural(bar.files, "file")}</span> of {bar.label},{" "}
                  {bytes(bar.bytes)} in all
                  {bar.place === "small" && ": small, a rewrite would join them"}
                  {bar.place === "large" && ": larger than needed"}
                </>
              }
            >
              <span className="flex h-40 flex-col justify-end">
                {bar.files > 0n && <span className="num text-center text-2xs text-ink-2">{count(bar.files)}</span>}
                <span
                  className={`block rounded-t-[3px] ${bar.place === "target" ? "bg-good-fill" : bar.place === "large" ? "bg-busy-fill" : "bg-warn-fill"}`}
                  style={{ height: `${Math.max(bar.height * 84, bar.files > 0n ? 1.5 : 0)}%` }}
                />
              </span>
            </Why>
          </div>
        ))}
      </div>
      <div aria-hidden className="mt-1 flex gap-1 border-t border-line-strong pt-1" style={{ maxWidth }}>
        {shown.map((bar) => (
          // Where bars are narrow, every second label has the room of two.
          <span
            key={bar.label}
            className="num flex min-w-0 flex-1 justify-center text-2xs text-ink-3 max-md:[&:nth-child(even)]:invisible"
          >
            {bar.below === Number.POSITIVE_INFINITY ? "∞" : bytes(bar.below)}
          </span>
        ))}
      </div>
      <figcaption className="mt-2 text-xs text-ink-3">
        Files by size; each label is the upper bound of its bar.{" "}
        {target > 0n &&
          `The target is ${bytes(target)}; sizes from ${bytes(band.from)} to ${bytes(band.to)} are left alone.`}
      </figcaption>
      <table className="sr-only">
        <caption>Files by size</caption>
        <thead>
          <tr>
            <th>Size</th>
            <th>Files</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((bar) => (
            <tr key={bar.label}>
              <td>{bar.label}</td>
              <td>{count(bar.files)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
