import { bytes } from "./format";

/** A value of a policy for people: bytes with a unit, milliseconds as days. */
export function policyValue(key: string, value: string): string {
  if (!/^\d{1,18}$/.test(value)) return value === "" ? "none" : value;
  if (key.includes("bytes")) return bytes(BigInt(value));
  if (key.endsWith("-ms")) {
    const hours = Number(value) / 3_600_000;
    return hours >= 48 ? `${+(hours / 24).toFixed(1)} days` : `${+hours.toFixed(2)} hours`;
  }
  return value;
}
