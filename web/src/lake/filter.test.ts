import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { matching } from "./filter";
import { elapsed, sentence } from "./format";
import { schemaDiff } from "./schema";

describe("matching", () => {
  const rows = ["bronze.Invoice_Lines", "silver.lines", "gold.daily"];
  it("wants every word, in any case and order", () => {
    expect(matching(rows, " LINES bronze ", (row) => row)).toEqual(["bronze.Invoice_Lines"]);
    expect(matching(rows, "lines", (row) => row)).toHaveLength(2);
    expect(matching(rows, "nothing", (row) => row)).toEqual([]);
  });
  it("hands back the rows themselves without a filter", () => {
    expect(matching(rows, "  ", (row) => row)).toBe(rows);
  });
});

describe("elapsed", () => {
  it("goes on until there is an end, and has no value before the start", () => {
    const startedAt = timestampFromMs(1_000);
    expect(elapsed({ startedAt, endedAt: timestampFromMs(3_500) }, 99_000)).toBe(2_500);
    expect(elapsed({ startedAt }, 4_000)).toBe(3_000);
    expect(elapsed({ startedAt }, 500)).toBe(0);
    expect(elapsed({}, 500)).toBeUndefined();
  });
});

describe("sentence", () => {
  it("begins large and ends with a stop, once", () => {
    expect(sentence("no partition has 5 small files")).toBe("No partition has 5 small files.");
    expect(sentence("contributor=France holds half")).toBe("contributor=France holds half.");
    expect(sentence("Done.")).toBe("Done.");
    expect(sentence("")).toBe("");
  });
});

describe("schema diff", () => {
  const column = (id: number, name: string, type = "long") => ({ id, name, type, required: false, doc: "" }) as never;
  it("tells a rename from a loss by the field id", () => {
    const lines = schemaDiff(
      [column(1, "id"), column(2, "total"), column(4, "new")],
      [column(1, "id"), column(2, "amount"), column(3, "gone")],
    );
    expect(lines.map((line) => line.change)).toEqual(["same", "changed", "added", "removed"]);
    expect(lines[1]?.was?.name).toBe("amount");
  });
});
