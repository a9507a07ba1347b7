import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ReactNode } from "react";
import { ago, bytes, count, duration, elapsed, millis, moment, type Whole } from "~/lake/format";
import type { Col } from "./data-table";

/** A column of exact counts. */
export function countCol<T>(id: string, head: ReactNode, of: (row: T) => Whole, width = "7rem"): Col<T> {
  return { id, head, width, align: "right", by: of, cell: (row) => count(of(row)) };
}

/** A column of sizes. */
export function bytesCol<T>(id: string, head: ReactNode, of: (row: T) => Whole | undefined, width = "7rem"): Col<T> {
  return {
    id,
    head,
    width,
    align: "right",
    by: of,
    cell: (row) => {
      const size = of(row);
      return size === undefined ? "–" : bytes(size);
    },
  };
}

/** A column of moments, told as how long ago; the exact time is its title. */
export function agoCol<T>(
  id: string,
  head: ReactNode,
  of: (row: T) => Timestamp | undefined,
  now: number,
  width = "7rem",
): Col<T> {
  return {
    id,
    head,
    width,
    align: "right",
    by: (row) => millis(of(row)),
    cell: (row) => (
      <time className="text-ink-2" title={moment(of(row))}>
        {ago(of(row), now)}
      </time>
    ),
  };
}

/** A column of how long things took, or have been taking. */
export function tookCol<T extends { startedAt?: Timestamp | undefined; endedAt?: Timestamp | undefined }>(
  now: number,
): Col<T> {
  return {
    id: "took",
    head: "Took",
    width: "6rem",
    align: "right",
    by: (row) => elapsed(row, now),
    cell: (row) => {
      const ms = elapsed(row, now);
      return ms === undefined ? "–" : duration(ms);
    },
  };
}
