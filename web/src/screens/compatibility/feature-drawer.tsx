import { type Cell, type Engine, formatName, type Line } from "~/lake/compatibility";
import { CopyButton } from "~/ui/copy";
import { Drawer } from "~/ui/drawer";
import { Formats, nameOf } from "./compatibility";

/** A feature in every engine: what works, why the rest does not, and the tests that show it. */
export function FeatureDrawer({
  line,
  engines,
  onClose,
}: {
  line: Line | undefined;
  engines: readonly Engine[];
  onClose: () => void;
}) {
  return (
    <Drawer open={line !== undefined} onClose={onClose} title={line?.feature ?? ""}>
      <ul className="divide-y divide-line">
        {engines.map((engine) => (
          <li key={engine.name} className="space-y-1.5 py-3 first:pt-0">
            <div className="flex items-center gap-3">
              <h3 className="flex-1 font-medium text-ink">{nameOf(engine)}</h3>
              <Formats cell={line?.cells.get(engine.name)} />
            </div>
            <Reasons cell={line?.cells.get(engine.name)} />
          </li>
        ))}
      </ul>
    </Drawer>
  );
}

function Reasons({ cell }: { cell: Cell | undefined }) {
  if (!cell) return null;
  const tests = [...new Set([...cell.passes, ...cell.gaps].map((entry) => entry.test))];
  return (
    <>
      {cell.gaps.map((gap) => (
        <p key={gap.format} className="text-ink-2">
          <span className="font-medium text-warn">{formatName(gap.format, "No")}: </span>
          {gap.reason}
        </p>
      ))}
      {tests.map((test) => (
        <p key={test} className="flex items-center gap-1 text-xs text-ink-3">
          <code className="min-w-0 flex-1 truncate">{test}</code>
          <CopyButton icon text={`make test-engines RUN='^${test}$'`} label={`Copy the command that runs ${test}`} />
        </p>
      ))}
    </>
  );
}
