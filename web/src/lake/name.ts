import type { TableRef } from "~/gen/firn/v1/common_pb";

/** What an input message takes for a table. */
export type RefInit = { namespace: string[]; name: string };

export type Layer = "bronze" | "silver" | "gold" | "other";

/** `a.b.t` of a table; the empty string when there is none. */
export function tableName(ref: TableRef | RefInit | undefined): string {
  if (!ref?.name) return "";
  return [...ref.namespace, ref.name].join(".");
}

/** The table that `a.b.t` names. The last part is the name. */
export function parseTable(name: string): RefInit {
  const parts = name.split(".");
  return { namespace: parts.slice(0, -1), name: parts.at(-1) ?? "" };
}

/** The medallion layer a table is in, by the first level of its namespace. */
export function layerOf(name: string): Layer {
  const first = name.split(".", 1)[0];
  return first === "bronze" || first === "silver" || first === "gold" ? first : "other";
}

/** Tables that belong to another one: quarantine, changes, tombstones. */
export function sideOf(name: string): { table: string; side: string } | undefined {
  const match = /^(.+)__(quarantine|changes|tombstones)$/.exec(name);
  return match ? { table: match[1] ?? "", side: match[2] ?? "" } : undefined;
}

const plain = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The name as SQL writes it: quoted where it has to be. */
export function sqlName(name: string): string {
  return name
    .split(".")
    .map((part) => (plain.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join(".");
}
