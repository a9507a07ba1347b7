import { type Table, tableFromIPC } from "@uwdata/flechette";
import { FrameSplitter } from "./frames";

/** 64-bit integers, decimals and timestamps stay exact: see cells.ts. */
const exact = { useBigInt: true, useDecimalInt: true, useBigIntTimestamp: true } as const;

/** Names of a result may repeat; keys do not. */
export type ResultColumn = { key: string; name: string; type: ArrowType };

/** The part of Flechette's data types that cells are printed by. */
export type ArrowType = { typeId: number; [key: string]: unknown };

/**
 * A query result that grows while it streams. Rows are read by position, from
 * the record batches as they arrived; nothing is copied into row objects.
 */
export class ArrowResult {
  columns: ResultColumn[] = [];
  rows = 0;
  private readonly splitter = new FrameSplitter();
  private schema: Uint8Array | undefined;
  private dictionaries: Uint8Array[] = [];
  private readonly batches: { from: number; table: Table }[] = [];

  /** Takes a chunk of the IPC stream; answers whether rows or columns came. */
  push(chunk: Uint8Array): boolean {
    let grew = false;
    for (const frame of this.splitter.push(chunk)) {
      if (frame.kind === "schema") {
        this.schema = frame.bytes;
        this.columns = tableFromIPC([frame.bytes], exact).schema.fields.map((field, index) => ({
          key: `${index}/${String(field.name)}`,
          name: String(field.name),
          type: field.type as unknown as ArrowType,
        }));
        grew = true;
      } else if (frame.kind === "dictionary") {
        this.dictionaries = [...this.dictionaries, frame.bytes];
      } else if (frame.kind === "batch") {
        if (!this.schema) throw new Error("the result's record batch came before its schema");
        const table = tableFromIPC([this.schema, ...this.dictionaries, frame.bytes], exact);
        if (table.numRows > 0) {
          this.batches.push({ from: this.rows, table });
          this.rows += table.numRows;
          grew = true;
        }
      }
    }
    return grew;
  }

  /** Whether the stream ended inside a message. */
  get torn(): boolean {
    return this.splitter.waiting > 0;
  }

  /** The value at a row and a column, both from 0. */
  at(row: number, column: number): unknown {
    const batch = this.batchOf(row);
    return batch?.table.getChildAt(column).at(row - batch.from);
  }

  private batchOf(row: number) {
    let low = 0;
    let high = this.batches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.batches[middle]!.from <= row) low = middle;
      else high = middle - 1;
    }
    return this.batches[low];
  }
}
