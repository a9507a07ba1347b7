import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SnapshotPinSchema } from "~/gen/firn/v1/query_pb";
import { parseTable } from "~/lake/name";

/** Tables that a query reads at another snapshot than their heads. */
export type Pin = { table: string; snapshot: string };

/** `a.t@123,b.u@456`, as it stands in the URL. */
export function parsePins(text: string): Pin[] {
  return text.split(",").flatMap((part) => {
    const at = part.lastIndexOf("@");
    const pin = { table: part.slice(0, at), snapshot: part.slice(at + 1) };
    return at > 0 && /^\d{1,19}$/.test(pin.snapshot) ? [pin] : [];
  });
}

export function formatPins(pins: readonly Pin[]): string | undefined {
  return pins.map((pin) => `${pin.table}@${pin.snapshot}`).join(",") || undefined;
}

export function pinMessages(pins: readonly Pin[]): MessageInitShape<typeof SnapshotPinSchema>[] {
  return pins.map((pin) => ({ table: parseTable(pin.table), at: { case: "snapshotId", value: BigInt(pin.snapshot) } }));
}
