import { cell } from "./cells";
import type { ArrowResult } from "./result";

/** The rows of a result as CSV (RFC 4180), in parts that a Blob takes. NULL is empty. */
export function* csvParts(result: ArrowResult, rowsPerPart = 2000): Generator<string> {
  yield `${result.columns.map((column) => quote(column.name)).join(",")}\r\n`;
  let part: string[] = [];
  for (let row = 0; row < result.rows; row++) {
    part.push(result.columns.map((column, index) => field(result.at(row, index), column.type)).join(","));
    if (part.length === rowsPerPart) {
      yield `${part.join("\r\n")}\r\n`;
      part = [];
    }
  }
  if (part.length > 0) yield `${part.join("\r\n")}\r\n`;
}

function field(value: unknown, type: Parameters<typeof cell>[1]): string {
  if (value === null || value === undefined) return "";
  const { text } = cell(value, type);
  // An empty text is not NULL: it is quoted.
  return text === "" ? '""' : quote(text);
}

export function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
