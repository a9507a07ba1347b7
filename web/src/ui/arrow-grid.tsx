import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import { cell, isNumber, typeName } from "~/arrow/cells";
import type { ArrowResult } from "~/arrow/result";

const colors: Record<string, string> = {
  null: "text-ink-3 italic",
  number: "num text-right",
  time: "num text-ink-2",
  bool: "text-busy",
  text: "",
  nested: "text-ink-2",
};

/** The rows of a result, of which only those in sight are rendered; `rows` grows while it streams. */
export function ArrowGrid({ result, rows, label }: { result: ArrowResult; rows: number; label: string }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows,
    getScrollElement: () => scroller.current,
    estimateSize: () => 28,
    overscan: 16,
    initialRect: { width: 1000, height: 600 },
  });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  // The first rows decide, so that nothing moves while more stream in.
  const measured = Math.min(rows, 40);
  const widths = useMemo(() => columnWidths(result, measured), [result, measured]);
  return (
    <section ref={scroller} tabIndex={0} aria-label={`${label}, rows`} className="h-full min-h-0 overflow-auto">
      <table
        className="grid-table table-fixed text-xs"
        aria-label={label}
        aria-rowcount={rows + 1}
        style={{ width: 56 + widths.reduce((sum, width) => sum + width, 0), minWidth: "100%" }}
      >
        <colgroup>
          <col style={{ width: 56 }} />
          {result.columns.map((column, index) => (
            <col key={column.key} style={index === result.columns.length - 1 ? undefined : { width: widths[index] }} />
          ))}
        </colgroup>
        <thead>
          <tr>
            <th scope="col" className="text-right!">
              <span className="sr-only">Row</span>
              <span aria-hidden>#</span>
            </th>
            {result.columns.map((column) => (
              <th
                scope="col"
                key={column.key}
                title={`${column.name} ${typeName(column.type)}`}
                className={`overflow-hidden text-ellipsis ${isNumber(column.type) ? "text-right!" : ""}`}
              >
                <span className="text-ink">{column.name}</span>{" "}
                <span className="font-normal">{typeName(column.type)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Room height={before} columns={result.columns.length + 1} />}
          {items.map((item) => (
            <tr key={item.index} data-row={item.index} aria-rowindex={item.index + 2} style={{ height: 28 }}>
              <td className="num text-right text-ink-3">{item.index + 1}</td>
              {result.columns.map((column, index) => {
                const { text, kind } = cell(result.at(item.index, index), column.type);
                return (
                  <td key={column.key} className={colors[kind]} title={text.length > 24 ? text : undefined}>
                    {text}
                  </td>
                );
              })}
            </tr>
          ))}
          {after > 0 && <Room height={after} columns={result.columns.length + 1} />}
        </tbody>
      </table>
    </section>
  );
}

function Room({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden style={{ height }}>
      <td colSpan={columns} className="border-0 p-0" />
    </tr>
  );
}

/** Widths from the names and the first rows, so that they do not change while scrolling. */
function columnWidths(result: ArrowResult, rows: number): number[] {
  return result.columns.map((column, index) => {
    let longest = column.name.length + typeName(column.type).length + 1;
    for (let row = 0; row < rows; row++) {
      longest = Math.max(longest, cell(result.at(row, index), column.type).text.length);
    }
    return Math.min(360, Math.max(84, longest * 7.2 + 28));
  });
}
