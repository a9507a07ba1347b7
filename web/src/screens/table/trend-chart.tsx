import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useFilters } from "~/app/search";
import { themeColor, useTheme } from "~/app/theme";
import { bytes, compact, count, moment } from "~/lake/format";
import type { Trend } from "~/lake/snapshots";
import { Facets } from "~/ui/filters";

const kinds = ["files", "rows", "bytes"] as const;
type Series = (typeof kinds)[number];

/** Totals over the snapshots, with a mark at each compaction. */
export function TrendChart({ trend }: { trend: Trend }) {
  const host = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const [filters, setFilters] = useFilters();
  const series = kinds.find((kind) => kind === filters.trend) ?? "files";
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes the colours that are read inside
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const plot = new uPlot(options(trend, series, element.clientWidth), [trend.at, trend[series]], element);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 200 }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [trend.at.length, trend.at.at(-1), series, theme]);
  const last = trend[series].at(-1);
  const say = series === "bytes" ? bytes : count;
  return (
    <div>
      <Facets
        label="What the trend shows"
        value={series}
        onChange={(value) => value && setFilters({ trend: value === "files" ? undefined : value })}
        facets={[
          { value: "files", label: "Files" },
          { value: "rows", label: "Rows" },
          { value: "bytes", label: "Size" },
        ]}
      />
      <div
        ref={host}
        role="img"
        aria-label={`${series} over ${trend.at.length} snapshots, now ${last == null ? "unknown" : say(last)}; ${trend.compactions.length} compactions`}
        className="mt-2 min-h-[200px]"
      />
    </div>
  );
}

function options(trend: Trend, series: Series, width: number): uPlot.Options {
  const axis = {
    stroke: themeColor("ink-3"),
    grid: { stroke: themeColor("line"), width: 1 },
    ticks: { show: false },
    font: "11px Inter Variable",
  };
  const say = (value: number) => (series === "bytes" ? bytes(value) : compact(value));
  const ice = themeColor("ice");
  return {
    width,
    height: 200,
    legend: { show: false },
    cursor: { y: false, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, max * 1.08 || 1] } },
    axes: [
      { ...axis, space: 90, size: 28, values: (_, splits) => splits.map((at) => timeLabel(at, splits)) },
      { ...axis, size: series === "bytes" ? 58 : 46, space: 36, values: (_, splits) => splits.map(say) },
    ],
    series: [
      {},
      {
        stroke: ice,
        width: 1.75,
        fill: `color-mix(in srgb, ${ice} 10%, transparent)`,
        points: { show: false },
        paths: uPlot.paths.stepped!({ align: 1 }),
      },
    ],
    hooks: {
      draw: [(plot) => marks(plot, trend, series)],
      setCursor: [(plot) => label(plot, trend, series)],
    },
  };
}

/** The clock in UTC, with seconds or days where the step asks for them. */
function timeLabel(at: number, splits: number[]): string {
  const step = (splits[1] ?? at) - (splits[0] ?? at);
  const text = moment(at * 1000);
  if (step >= 86_400) return text.slice(5, 10);
  return step < 60 ? text.slice(11, 19) : text.slice(11, 16);
}

/** A diamond and a faint line at each compaction. */
function marks(plot: uPlot, trend: Trend, series: Series): void {
  const { ctx } = plot;
  ctx.save();
  for (const index of trend.compactions) {
    const value = trend[series][index];
    const x = plot.valToPos(trend.at[index]!, "x", true);
    ctx.strokeStyle = themeColor("line-strong");
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(x, plot.bbox.top);
    ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
    ctx.stroke();
    if (value == null) continue;
    const y = plot.valToPos(value, "y", true);
    const r = 4.5 * devicePixelRatio;
    ctx.fillStyle = themeColor("busy");
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x, y + r);
    ctx.lineTo(x - r, y);
    ctx.fill();
  }
  ctx.restore();
}

function label(plot: uPlot, trend: Trend, series: Series): void {
  const index = plot.cursor.idx;
  const value = index == null ? undefined : trend[series][index];
  plot.over.title =
    index == null || value == null
      ? ""
      : `${moment(trend.at[index]! * 1000)}: ${series === "bytes" ? bytes(value) : count(value)}${trend.compactions.includes(index) ? " (compaction)" : ""}`;
}
