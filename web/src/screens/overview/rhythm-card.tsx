import { useMemo } from "react";
import type { Event } from "~/gen/firn/v1/catalog_pb";
import { clock, compact, count, duration, plural } from "~/lake/format";
import { rhythm } from "~/lake/rhythm";
import { Card } from "~/ui/layout";

const BARS = 64;

/** What the lake did of late: rows that fell, rows that were packed, compactions below. */
export function Rhythm({ events }: { events: readonly Event[] }) {
  const { beats, stepMs } = useMemo(() => rhythm(events, BARS), [events]);
  if (beats.length === 0) return null;
  const most = Math.max(1, ...beats.map((beat) => Math.max(beat.rows, beat.promoted)));
  const compactions = beats.reduce((sum, beat) => sum + beat.compactions, 0);
  const rows = beats.reduce((sum, beat) => sum + beat.rows, 0);
  const last = beats.at(-1)!.from + stepMs;
  return (
    <Card
      title="Rhythm"
      aside={
        <span className="flex items-center gap-3 text-2xs text-ink-3">
          <Key color="var(--ice)" label="rows in" />
          <Key color="var(--silver)" label="promoted" />
          <Key color="var(--busy-fill)" label="compaction" diamond />
        </span>
      }
    >
      <div
        role="img"
        aria-label={`${count(rows)} rows in and ${plural(compactions, "compaction")} in ${plural(events.length, "commit log entry", "commit log entries")}, at most ${count(most)} rows in ${duration(stepMs)}`}
      >
        <div className="flex h-24 items-end gap-px sm:gap-[2px]">
          {beats.map((beat) => (
            <span
              key={beat.from}
              title={`${clock(beat.from)} for ${duration(stepMs)}: ${count(beat.rows)} rows in, ${count(beat.promoted)} promoted, ${plural(beat.compactions, "compaction")}`}
              className="flex h-full min-w-0 flex-1 items-end gap-px hover:bg-sunken"
            >
              <span className="flex-1 rounded-t-[2px] bg-ice" style={{ height: `${(beat.rows / most) * 100}%` }} />
              {beat.promoted > 0 && (
                <span
                  className="flex-1 rounded-t-[2px] bg-silver"
                  style={{ height: `${(beat.promoted / most) * 100}%` }}
                />
              )}
            </span>
          ))}
        </div>
        <div className="flex h-4 items-center gap-px overflow-hidden border-t sm:gap-[2px] border-line-strong">
          {beats.map((beat) => (
            <span key={beat.from} className="flex min-w-0 flex-1 justify-center">
              {beat.compactions > 0 && <span className="size-[5px] shrink-0 rotate-45 bg-busy-fill" />}
            </span>
          ))}
        </div>
        <div className="num flex justify-between text-2xs text-ink-3">
          <span>{clock(beats[0]!.from)}</span>
          <span>
            highest {compact(most)} rows in {duration(stepMs)}
          </span>
          <span>{clock(last)}</span>
        </div>
      </div>
    </Card>
  );
}

function Key({ color, label, diamond = false }: { color: string; label: string; diamond?: boolean }) {
  return (
    <span className="flex items-center gap-1">
      <span
        aria-hidden
        className={diamond ? "size-[6px] rotate-45" : "size-2 rounded-sm"}
        style={{ background: color }}
      />
      {label}
    </span>
  );
}
