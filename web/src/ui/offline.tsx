import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { unreachable } from "~/api/explain";
import { clock } from "~/lake/format";

/** Since when the service has not answered; undefined while it does. */
function useOutage(): number | undefined {
  const cache = useQueryClient().getQueryCache();
  const [since, setSince] = useState<number>();
  useEffect(
    () =>
      cache.subscribe((event) => {
        if (event.type !== "updated") return;
        if (event.action.type === "success") setSince(undefined);
        else if (event.action.type === "error" && unreachable(event.action.error)) {
          setSince((old) => old ?? Date.now());
        }
      }),
    [cache],
  );
  return since;
}

/** Says that what is on the screen is of before, when the service stops answering. */
export function Offline() {
  const client = useQueryClient();
  const since = useOutage();
  if (since === undefined) return null;
  return (
    <div
      role="alert"
      className="sticky top-0 z-20 flex flex-wrap items-center gap-x-3 border-b border-warn-fill bg-warn-soft px-6 py-1.5 text-xs text-ink"
    >
      <span className="min-w-0 flex-1">
        <strong className="font-semibold text-warn">Firn has not answered since {clock(since)}.</strong> What is shown
        was read before. The page asks again by itself; look whether <code>firn dev</code> or <code>firn serve</code>{" "}
        runs.
      </span>
      <button type="button" className="link font-medium" onClick={() => void client.refetchQueries({ type: "active" })}>
        Ask now
      </button>
    </div>
  );
}
