import { useRef } from "react";

/** The list itself as long as its entries stay the same, so that what hangs on it is not made anew. */
export function useStable(list: readonly string[]): readonly string[] {
  const kept = useRef(list);
  const old = kept.current;
  if (old.length !== list.length || old.some((entry, index) => entry !== list[index])) kept.current = list;
  return kept.current;
}
