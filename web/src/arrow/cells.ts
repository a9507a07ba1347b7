import { Type } from "@uwdata/flechette";
import type { ArrowType } from "./result";

/** How a cell is shown: its text, and what it is to the eye. */
export type Cell = { text: string; kind: "null" | "number" | "text" | "time" | "bool" | "nested" };

/** A value of an Arrow column as exact text: no digit of a 64-bit number is lost. */
export function cell(value: unknown, type: ArrowType): Cell {
  if (value === null || value === undefined) return { text: "NULL", kind: "null" };
  switch (type.typeId) {
    case Type.Bool:
      return { text: value ? "true" : "false", kind: "bool" };
    case Type.Int:
    case Type.Float:
      return { text: String(value), kind: "number" };
    case Type.Decimal:
      return { text: decimal(value as bigint | number, Number(type.scale)), kind: "number" };
    case Type.Date:
      return { text: dateText(value as number | Date), kind: "time" };
    case Type.Timestamp:
      return { text: timestampText(value, Number(type.unit), type.timezone != null), kind: "time" };
    case Type.Time:
      return { text: timeText(BigInt(value as number | bigint), Number(type.unit)), kind: "time" };
    case Type.Dictionary:
      return cell(value, type.dictionary as ArrowType);
    case Type.Binary:
    case Type.LargeBinary:
    case Type.FixedSizeBinary:
      return { text: hex(value as Uint8Array), kind: "text" };
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return { text: String(value), kind: "text" };
    default:
      return { text: nested(value), kind: "nested" };
  }
}

/** Whether values stand at the right. */
export function isNumber(type: ArrowType): boolean {
  return [Type.Int, Type.Float, Type.Decimal].includes(type.typeId as never);
}

/** The type's name as DuckDB's SQL knows it. */
export function typeName(type: ArrowType): string {
  switch (type.typeId) {
    case Type.Bool:
      return "boolean";
    case Type.Int:
      return `${type.signed === false ? "u" : ""}${{ 8: "tinyint", 16: "smallint", 32: "integer", 64: "bigint" }[Number(type.bitWidth)] ?? "integer"}`;
    case Type.Float:
      return ["half", "float", "double"][Number(type.precision)] ?? "float";
    case Type.Decimal:
      return `decimal(${type.precision},${type.scale})`;
    case Type.Date:
      return "date";
    case Type.Time:
      return "time";
    case Type.Timestamp:
      return type.timezone ? "timestamptz" : "timestamp";
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return "varchar";
    case Type.Dictionary:
      return typeName(type.dictionary as ArrowType);
    case Type.Binary:
    case Type.LargeBinary:
    case Type.FixedSizeBinary:
      return "blob";
    case Type.List:
    case Type.LargeList:
      return "list";
    case Type.Struct:
      return "struct";
    case Type.Map:
      return "map";
    default:
      return "value";
  }
}

/** An unscaled integer with its decimal point: 12345 at scale 3 is 12.345. */
export function decimal(unscaled: bigint | number, scale: number): string {
  const n = BigInt(unscaled);
  if (scale <= 0) return (n * 10n ** BigInt(-scale)).toString();
  const digits = (n < 0n ? -n : n).toString().padStart(scale + 1, "0");
  return `${n < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const perSecond = [1n, 1_000n, 1_000_000n, 1_000_000_000n];

function timestampText(value: unknown, unit: number, zoned: boolean): string {
  const ticks = value instanceof Date ? BigInt(value.getTime()) : BigInt(value as number | bigint);
  const per = value instanceof Date ? 1_000n : (perSecond[unit] ?? 1n);
  let seconds = ticks / per;
  let rest = ticks % per;
  if (rest < 0n) {
    rest += per;
    seconds -= 1n;
  }
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${ticks}`;
  const text = date.toISOString().slice(0, -5).replace("T", " ");
  return text + fraction(rest, per) + (zoned ? "Z" : "");
}

function timeText(ticks: bigint, unit: number): string {
  const per = perSecond[unit] ?? 1n;
  const seconds = Number(ticks / per);
  const two = (n: number) => String(n).padStart(2, "0");
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return clock + fraction(ticks % per, per);
}

function fraction(rest: bigint, per: bigint): string {
  if (rest === 0n) return "";
  const places = per.toString().length - 1;
  return `.${rest.toString().padStart(places, "0").replace(/0+$/, "")}`;
}

function dateText(value: number | Date): string {
  // Flechette answers milliseconds for both units of a date.
  const ms = value instanceof Date ? value.getTime() : Number(value);
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(value) : date.toISOString().slice(0, 10);
}

function hex(value: Uint8Array): string {
  const shown = value.subarray(0, 64);
  const text = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `0x${text}${value.length > shown.length ? "…" : ""}`;
}

function nested(value: unknown): string {
  return (
    JSON.stringify(value, (_, part) => {
      if (typeof part === "bigint") return part.toString();
      if (ArrayBuffer.isView(part)) return Array.from(part as unknown as Iterable<unknown>);
      return part;
    }) ?? String(value)
  );
}
