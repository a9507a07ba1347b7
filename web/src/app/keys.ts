import { useEffect, useRef } from "react";

/** Keys that lead to a screen, after `g`. */
export const places: { key: string; to: string; label: string }[] = [
  { key: "o", to: "/", label: "Overview" },
  { key: "t", to: "/tables", label: "Tables" },
  { key: "m", to: "/medallion", label: "Medallion" },
  { key: "r", to: "/runs", label: "Runs" },
  { key: "j", to: "/jobs", label: "Jobs" },
  { key: "h", to: "/schedules", label: "Schedules" },
  { key: "q", to: "/quarantine", label: "Quarantine" },
  { key: "i", to: "/ingest", label: "Ingest" },
  { key: "s", to: "/sql", label: "SQL" },
  { key: "c", to: "/compatibility", label: "Compatibility" },
];

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}

export type Keys = { go: (to: string) => void; palette: () => void; help: () => void; pause: () => void };

/** The keys of the whole page. Nothing fires while somebody types. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let prefix = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        latest.current.palette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
      if (document.querySelector("[role=dialog]")) return;
      if (Date.now() - prefix < 1200) {
        prefix = 0;
        const place = places.find((entry) => entry.key === event.key);
        if (place) {
          event.preventDefault();
          latest.current.go(place.to);
        }
        return;
      }
      if (event.key === "g") prefix = Date.now();
      else if (event.key === "?") latest.current.help();
      else if (event.key === "p") latest.current.pause();
      else if (event.key === "j" || event.key === "k") {
        // A row that has the focus moves by itself; the first one is reached from anywhere.
        if ((event.target as Element).closest?.("tr[data-row]")) return;
        document.querySelector<HTMLElement>("main tr[data-row][tabindex]")?.focus();
      } else if (event.key === "/") {
        event.preventDefault();
        const filter = document.querySelector<HTMLInputElement>("[data-filter]");
        if (filter) filter.focus();
        else latest.current.palette();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
