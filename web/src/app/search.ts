import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

/**
 * Filters live in the URL, as plain text: snapshot ids have 64 bits, and the
 * router's own notation would read them as numbers.
 */
export type Search = Record<string, string>;

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (typeof value === "string" && value !== "") params.set(key, value);
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}

/** The filters of this screen, and a function that changes some of them. */
export function useFilters(): [Search, (change: Record<string, string | undefined>, push?: boolean) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback(
    (change: Record<string, string | undefined>, push = false) => {
      void navigate({
        to: ".",
        replace: !push,
        search: (old: Record<string, unknown>) => {
          const next: Record<string, unknown> = { ...old, ...change };
          for (const key of Object.keys(next)) if (!next[key]) delete next[key];
          return next;
        },
      } as never);
    },
    [navigate],
  );
  return [search, set];
}
