import { describe, expect, it } from "vitest";
import { formatPins, parsePins, pinMessages } from "./pins";

describe("snapshot pins in the URL", () => {
  it("keeps all 64 bits of a snapshot id", () => {
    const pins = parsePins("bronze.raw@9223372036854775807,a.b@1");
    expect(pins).toHaveLength(2);
    expect(pinMessages(pins)[0]).toEqual({
      table: { namespace: ["bronze"], name: "raw" },
      at: { case: "snapshotId", value: 9223372036854775807n },
    });
    expect(formatPins(pins)).toBe("bronze.raw@9223372036854775807,a.b@1");
  });
  it("leaves out what is no pin", () => {
    expect(parsePins("")).toEqual([]);
    expect(parsePins("a.b@x,@5,nothing")).toEqual([]);
    expect(formatPins([])).toBeUndefined();
  });
});
