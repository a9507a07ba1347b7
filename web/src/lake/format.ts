import type { Timestamp } from "@bufbuild/protobuf/wkt";

export type Whole = bigint | number;

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const ratio = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** 541909 as `541,909`: exact, whatever its size. */
export function count(n: Whole): string {
  return grouped.format(n);
}

/** 541909 as `541.9 k`: for places where three digits are enough. */
export function compact(n: Whole): string {
  const value = Number(n);
  const size = Math.abs(value);
  if (size < 10_000) return grouped.format(n);
  for (const [limit, unit] of [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    // 999,950 rounds to 1 M, not to 1000 k.
    if (size >= limit * 0.99995) return `${trim(value / limit)} ${unit}`;
  }
  return grouped.format(n);
}

function trim(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
}

/** Bytes in binary units: `133.7 MiB`. */
export function bytes(n: Whole): string {
  const value = Number(n);
  if (value < 1024) return `${value} B`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let scaled = value / 1024;
  let unit = 0;
  // 1023.96 KiB would be printed as 1024 KiB.
  while (scaled >= 1023.95 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${trim(scaled)} ${units[unit]}`;
}

/** 0.914 as `91.4 %`. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${ratio.format(share * 100)} %`;
}

export function times(factor: number): string {
  return Number.isFinite(factor) ? `${ratio.format(factor)}×` : "–";
}

/** Milliseconds as people say them: `340 ms`, `2.1 s`, `3 m 20 s`, `5 h 2 m`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s`;
  const seconds = Math.round(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(" ");
}

/** Milliseconds since the epoch; undefined when the server left the time out. */
export function millis(at: Timestamp | undefined): number | undefined {
  if (!at) return undefined;
  const ms = Number(at.seconds) * 1000 + at.nanos / 1e6;
  return ms > 0 ? ms : undefined;
}

/** Milliseconds from start to end, or until now; undefined before the start. */
export function elapsed(
  span: { startedAt?: Timestamp | undefined; endedAt?: Timestamp | undefined },
  now: number,
): number | undefined {
  const from = millis(span.startedAt);
  return from === undefined ? undefined : Math.max(0, (millis(span.endedAt) ?? now) - from);
}

/** How long ago: `just now`, `12 s ago`, `3 h ago`. */
export function ago(at: Timestamp | undefined, now: number): string {
  const ms = millis(at);
  if (ms === undefined) return "never";
  const past = now - ms;
  if (past < 2000) return "just now";
  // One unit is enough to judge freshness by; the tooltip has the exact time.
  return `${duration(past < 60_000 ? Math.floor(past / 1000) * 1000 : past).replace(/^(\d+ \S+) .*/, "$1")} ago`;
}

/** The moment in UTC, to the second: `2026-11-20 21:04:05Z`. */
export function moment(at: Timestamp | number | undefined): string {
  const ms = typeof at === "number" ? at : millis(at);
  if (ms === undefined) return "–";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** The clock time in UTC: `21:04:05`. */
export function clock(at: Timestamp | number | undefined): string {
  return moment(at).slice(11, 19) || "–";
}

/** Snapshot ids are 64-bit: text everywhere, shortened to the eye only. */
export function snapshot(id: bigint): string {
  return id === 0n ? "–" : id.toString();
}

export function shortSnapshot(id: bigint | string): string {
  const text = id.toString();
  if (text === "0") return "–";
  return text.length > 8 ? `…${text.slice(-6)}` : text;
}

export function plural(n: Whole, one: string, many = `${one}s`): string {
  return `${count(n)} ${BigInt(Math.trunc(Number(n))) === 1n ? one : many}`;
}

/** `text`, with `length` characters at the most. */
export function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** A message of the service as a sentence: messages are lower case and end without a stop. */
export function sentence(text: string): string {
  if (!text) return "";
  // A name, as in `contributor=France holds`, stays as it is spelled.
  const first = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() : text.charAt(0);
  return `${first}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
