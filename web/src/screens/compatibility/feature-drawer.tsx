import { type Cell, differs, type Engine, gapName, type Line } from "~/lake/compatibility";
import { CopyButton } from "~/ui/copy";
import { Drawer } from "~/ui/drawer";
import { Formats, nameOf } from "./formats";
import type { Store } from "./stores";

/** A feature in every engine: what works, why the rest does not, and the tests that show it. */
export function FeatureDrawer({
  line,
  elsewhere,
  engines,
  store,
  other,
  onClose,
}: {
  line: Line | undefined;
  /** The same feature on the other store. */
  elsewhere: Line | undefined;
  engines: readonly Engine[];
  store: Store;
  other: Store;
  onClose: () => void;
}) {
  const apart = engines.some((engine) => differs(line?.cells.get(engine.id), elsewhere?.cells.get(engine.id)));
  return (
    <Drawer
      open={line !== undefined}
      onClose={onClose}
      title={line?.feature ?? ""}
      lead={`On ${store.on}; ${apart ? `some engines differ on ${other.on}` : `the same on ${other.on}`}.`}
    >
      <ul className="divide-y divide-line">
        {engines.map((engine) => {
          const cell = line?.cells.get(engine.id);
          const there = elsewhere?.cells.get(engine.id);
          return (
            <li key={engine.id} className="space-y-1.5 py-3 first:pt-0">
              <div className="flex items-center gap-3">
                <h3 className="flex-1 font-medium text-ink">{nameOf(engine)}</h3>
                <Formats cell={cell} untested="not tested" />
              </div>
              <Reasons cell={cell} />
              <Tests cell={cell} run={store.run} />
              {differs(cell, there) && (
                <div className="space-y-1.5 rounded-md bg-sunken px-3 py-2">
                  <div className="flex items-center gap-3">
                    <p className="flex-1 text-ink-2">On {other.on}</p>
                    <Formats cell={there} untested="not tested" />
                  </div>
                  <Reasons cell={there} />
                  <Tests cell={there} run={other.run} />
                </div>
              )}
            </li>
          );
        })}
      </ul>
    </Drawer>
  );
}

/** Why not, once a reason. */
function Reasons({ cell }: { cell: Cell | undefined }) {
  const gaps = cell?.gaps ?? [];
  return [...new Set(gaps.map((gap) => gap.reason))].map((reason) => (
    <p key={reason} className="text-ink-2">
      <span className="font-medium text-warn">
        {gaps
          .filter((gap) => gap.reason === reason)
          .map((gap) => gapName(gap.format))
          .join(", ")}
        :{" "}
      </span>
      {reason}
    </p>
  ));
}

function Tests({ cell, run }: { cell: Cell | undefined; run: string }) {
  const tests = new Set([...(cell?.passes ?? []), ...(cell?.gaps ?? [])].map((entry) => entry.test));
  return [...tests].map((test) => (
    <p key={test} className="flex items-center gap-1 text-xs text-ink-3">
      <code className="min-w-0 flex-1 truncate">{test}</code>
      <CopyButton icon text={`make test-engines ${run}RUN='^${test}$'`} label={`Copy the command that runs ${test}`} />
    </p>
  ));
}
