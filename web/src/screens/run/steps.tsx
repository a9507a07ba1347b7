import type { Run } from "~/gen/firn/v1/model_pb";
import { duration, percent } from "~/lake/format";
import { stepBars } from "~/lake/runs";

const colors: Record<string, string> = {
  plan: "var(--ink-3)",
  read: "var(--ice)",
  transform: "var(--busy-fill)",
  gate: "var(--warn-fill)",
  write: "var(--good-fill)",
  commit: "var(--silver)",
};

/** The steps of a run on one line of time, and each by itself below. */
export function Steps({ run }: { run: Run }) {
  const bars = stepBars(run);
  if (bars.length === 0) return <p className="text-ink-2">The run has not reported a step yet.</p>;
  return (
    <ol className="space-y-1.5">
      {bars.map((bar) => (
        <li
          key={bar.name}
          className="grid grid-cols-[4.5rem_minmax(0,1fr)_3.75rem_3.25rem] items-center gap-2 sm:grid-cols-[5.5rem_minmax(0,1fr)_5rem_4rem] sm:gap-3"
        >
          <span className="font-medium">{bar.name}</span>
          <span className="relative h-4 rounded bg-sunken">
            <span
              aria-hidden
              className="absolute inset-y-0 rounded"
              style={{
                left: `${bar.from * 100}%`,
                width: `max(${bar.width * 100}%, 3px)`,
                background: colors[bar.name] ?? "var(--ice)",
              }}
            />
          </span>
          <span className="num text-right">{duration(bar.ms)}</span>
          <span className="num text-right text-xs text-ink-3">{percent(bar.width)}</span>
        </li>
      ))}
    </ol>
  );
}
