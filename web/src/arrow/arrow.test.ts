import * as arrow from "@uwdata/flechette";
import { describe, expect, it } from "vitest";
import { cell, decimal, typeName } from "./cells";
import { csvParts, quote } from "./csv";
import { FrameSplitter } from "./frames";
import { ArrowResult } from "./result";

const big = 9007199254740993n; // the first integer that a double cannot hold

function stream(): Uint8Array {
  const table = arrow.tableFromArrays(
    {
      id: [1n, big, null],
      country: ["France", "France", 'Côte d\'Ivoire, "CI"'],
      amount: [12.5, -0.125, 3],
      at: [0, 1_000_000, 1_600_000_000_000],
    },
    {
      types: {
        id: arrow.int64(),
        country: arrow.dictionary(arrow.utf8()),
        amount: arrow.decimal(18, 3, 128),
        at: arrow.timestamp(arrow.TimeUnit.MICROSECOND),
      },
      maxBatchRows: 2,
    },
  );
  return arrow.tableToIPC(table, { format: "stream" })!;
}

function pushed(step: number): ArrowResult {
  const result = new ArrowResult();
  const bytes = stream();
  for (let at = 0; at < bytes.length; at += step) result.push(bytes.subarray(at, at + step));
  return result;
}

describe("streaming result", () => {
  it.each([1, 7, 64, 1000, 1 << 20])("is the same however the stream is cut (%i bytes a chunk)", (step) => {
    const result = pushed(step);
    expect(result.rows).toBe(3);
    expect(result.torn).toBe(false);
    expect(result.columns.map((column) => `${column.name} ${typeName(column.type)}`)).toEqual([
      "id bigint",
      "country varchar",
      "amount decimal(18,3)",
      "at timestamp",
    ]);
    const rows = [0, 1, 2].map((row) => result.columns.map((column, i) => cell(result.at(row, i), column.type).text));
    expect(rows).toEqual([
      ["1", "France", "12.500", "1970-01-01 00:00:00"],
      ["9007199254740993", "France", "-0.125", "1970-01-01 00:16:40"],
      ["NULL", 'Côte d\'Ivoire, "CI"', "3.000", "2020-09-13 12:26:40"],
    ]);
  });

  it("shows rows before the stream has ended", () => {
    const result = new ArrowResult();
    const bytes = stream();
    let seen = 0;
    for (let at = 0; at < bytes.length && seen === 0; at += 8) {
      result.push(bytes.subarray(at, at + 8));
      seen = result.rows;
    }
    expect(seen).toBe(2);
  });

  it("knows a stream that broke off inside a message", () => {
    const result = new ArrowResult();
    const bytes = stream();
    result.push(bytes.subarray(0, bytes.length - 60));
    expect(result.torn).toBe(true);
  });

  it("does not keep the caller's buffer", () => {
    const splitter = new FrameSplitter();
    const bytes = stream();
    const chunk = bytes.slice(0, 20);
    splitter.push(chunk);
    chunk.fill(0);
    const frames = splitter.push(bytes.subarray(20));
    expect(frames[0]?.kind).toBe("schema");
  });
});

describe("cells", () => {
  it("prints decimals exactly", () => {
    expect(decimal(5n, 3)).toBe("0.005");
    expect(decimal(-5n, 3)).toBe("-0.005");
    expect(decimal(123456789012345678901234567890n, 2)).toBe("1234567890123456789012345678.90");
    expect(decimal(7n, 0)).toBe("7");
  });
  it("prints times before 1970 and fractions", () => {
    const type = arrow.timestamp(arrow.TimeUnit.MICROSECOND) as never;
    expect(cell(-1n, type).text).toBe("1969-12-31 23:59:59.999999");
    expect(cell(1_500_000n, type).text).toBe("1970-01-01 00:00:01.5");
  });
  it("prints nested values with their 64-bit integers", () => {
    expect(cell([1n, 2n], arrow.list(arrow.int64()) as never)).toEqual({ text: '["1","2"]', kind: "nested" });
  });
});

describe("csv", () => {
  it("quotes what needs it, and tells NULL from an empty text", () => {
    const text = [...csvParts(pushed(1 << 20), 2)].join("");
    expect(text.split("\r\n")).toEqual([
      "id,country,amount,at",
      "1,France,12.500,1970-01-01 00:00:00",
      "9007199254740993,France,-0.125,1970-01-01 00:16:40",
      ',"Côte d\'Ivoire, ""CI""",3.000,2020-09-13 12:26:40',
      "",
    ]);
    expect(quote("a\nb")).toBe('"a\nb"');
  });
});
