import { useQuery } from "@connectrpc/connect-query";
import { Layers2 } from "lucide-react";
import { useState } from "react";
import { JobKind, MaintenanceService } from "~/gen/firn/v1/maintenance_pb";
import { cli } from "~/lake/cli";
import { bytes, count, plural, sentence } from "~/lake/format";
import { parseTable } from "~/lake/name";
import { partitionName } from "~/lake/partitions";
import { Button } from "~/ui/button";
import { CopyCli } from "~/ui/copy";
import { Modal } from "~/ui/drawer";
import { Fault, Waiting } from "~/ui/states";
import { Status } from "~/ui/status";
import { useSubmitJob } from "./submit";

const kinds = {
  compact: { kind: JobKind.COMPACT, verb: "Compact", doing: "compaction", cli: cli.compact, dry: cli.compactDry },
  rebalance: {
    kind: JobKind.REBALANCE,
    verb: "Rebalance",
    doing: "rebalance",
    cli: cli.rebalance,
    dry: cli.rebalanceDry,
  },
  expire: { kind: JobKind.EXPIRE, verb: "Expire snapshots", doing: "expiry", cli: cli.expire, dry: cli.expireDry },
} as const;

/** Compacts, rebalances or expires a table, after a dry run that says what would happen. */
export function CompactButton({
  table,
  what = "compact",
  primary = false,
}: {
  table: string;
  what?: keyof typeof kinds;
  primary?: boolean;
}) {
  const [open, setOpen] = useState(false);
  const kind = kinds[what];
  return (
    <>
      <Button
        kind={primary ? "primary" : "plain"}
        icon={<Layers2 aria-hidden className="size-3.5" />}
        onClick={() => setOpen(true)}
      >
        {kind.verb}
      </Button>
      {open && <DryRun table={table} what={what} onClose={() => setOpen(false)} />}
    </>
  );
}

function DryRun({ table, what, onClose }: { table: string; what: keyof typeof kinds; onClose: () => void }) {
  const kind = kinds[what];
  const plan = useQuery(MaintenanceService.method.planJobs, { table: parseTable(table), kind: kind.kind });
  const submit = useSubmitJob(`queue the ${kind.doing} of ${table}`, onClose);
  const groups = plan.data?.groups ?? [];
  const objects = plan.data?.objects ?? [];
  const nothing = plan.data !== undefined && groups.length === 0 && objects.length === 0;
  return (
    <Modal
      wide
      open
      onClose={onClose}
      title={`${kind.verb}: ${table}`}
      actions={
        <>
          <CopyCli command={kind.cli(table)} />
          <CopyCli command={kind.dry(table)} label="dry run" />
          <span className="flex-1" />
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind={nothing ? "plain" : "primary"}
            disabled={submit.isPending || plan.isPending}
            onClick={() => submit.mutate({ table: parseTable(table), kind: kind.kind })}
          >
            {nothing ? "Queue it anyway" : kind.verb}
          </Button>
        </>
      }
    >
      <p className="text-ink-2">
        Dry run: nothing has happened yet.{" "}
        {what === "expire"
          ? "No file that a retained snapshot can reach is removed."
          : `A ${kind.doing} changes no row; counts are checked before the commit.`}
      </p>
      {plan.error && <Fault error={plan.error} doing={`plan the ${kind.doing}`} retry={() => void plan.refetch()} />}
      {plan.isPending && <Waiting rows={4} />}
      {groups.length > 0 && (
        <table className="grid-table" aria-label="Planned groups">
          <thead>
            <tr>
              <th scope="col">Partition</th>
              <th scope="col">Tier</th>
              <th scope="col" className="text-right!">
                Files
              </th>
              <th scope="col" className="text-right!">
                Size
              </th>
            </tr>
          </thead>
          <tbody>
            {groups.slice(0, 30).map((group) => (
              <tr key={`${group.tier}/${partitionName(group.partition)}/${group.files}`} className="h-9">
                <td className="max-w-72 truncate" title={group.reason}>
                  {partitionName(group.partition)}
                </td>
                <td>{group.tier}</td>
                <td className="num text-right">{count(group.files)}</td>
                <td className="num text-right">{bytes(group.bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {groups.length > 30 && <p className="text-xs text-ink-3">and {plural(groups.length - 30, "group")} more</p>}
      {objects.length > 0 && (
        <div>
          <p className="mb-1 font-medium">{plural(objects.length, "object")} would go</p>
          <ul className="max-h-40 overflow-y-auto rounded-lg bg-sunken p-2 font-mono text-xs">
            {objects.slice(0, 200).map((object) => (
              <li key={object} className="truncate">
                {object}
              </li>
            ))}
          </ul>
        </div>
      )}
      {plan.data?.whyNot && (
        <p className="flex items-start gap-2 text-ink-2">
          <Status tone="idle">{nothing ? "Nothing to do" : "Left alone"}</Status>
          <span className="min-w-0">{sentence(plan.data.whyNot)}</span>
        </p>
      )}
      {nothing && !plan.data?.whyNot && <p className="text-ink-2">There is nothing to do.</p>}
    </Modal>
  );
}
