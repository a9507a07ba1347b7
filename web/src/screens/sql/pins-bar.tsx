import { History, X } from "lucide-react";
import { useState } from "react";
import { shortSnapshot } from "~/lake/format";
import { Button } from "~/ui/button";
import { Modal } from "~/ui/drawer";
import { Select } from "~/ui/filters";
import { SnapshotPicker } from "../table/snapshot-picker";
import type { Pin } from "./pins";

/** Time travel: which tables are read at which snapshot. */
export function Pins({
  tables,
  pins,
  onChange,
}: {
  tables: readonly string[];
  pins: readonly Pin[];
  onChange: (pins: Pin[]) => void;
}) {
  const [open, setOpen] = useState(false);
  const [table, setTable] = useState("");
  const chosen = table || tables[0] || "";
  const pinned = pins.find((pin) => pin.table === chosen)?.snapshot ?? "";
  return (
    <>
      {pins.map((pin) => (
        <span
          key={pin.table}
          className="inline-flex h-7 items-center gap-1.5 rounded-full border border-ice-line bg-ice-soft pr-1 pl-2.5 text-xs"
        >
          <History aria-hidden className="size-3" />
          {pin.table} <span className="num text-ink-2">{shortSnapshot(pin.snapshot)}</span>
          <button
            type="button"
            aria-label={`Read ${pin.table} at its head again`}
            onClick={() => onChange(pins.filter((entry) => entry.table !== pin.table))}
            className="rounded-full p-0.5 hover:bg-surface"
          >
            <X aria-hidden className="size-3" />
          </button>
        </span>
      ))}
      <Button
        kind="quiet"
        icon={<History aria-hidden className="size-3.5" />}
        onClick={() => setOpen(true)}
        disabled={tables.length === 0}
      >
        {pins.length === 0 ? "Snapshots" : ""}
        {pins.length > 0 && <span className="sr-only">Choose snapshots</span>}
      </Button>
      <Modal
        open={open}
        onClose={() => setOpen(false)}
        title="Read a table at a snapshot"
        actions={<Button onClick={() => setOpen(false)}>Done</Button>}
      >
        <p className="text-ink-2">Other tables are read at their heads. The choice is part of the address.</p>
        <div className="flex flex-wrap gap-2">
          <Select
            label="Table"
            value={chosen}
            onChange={setTable}
            options={tables.map((name) => ({ value: name, label: name }))}
            className="max-w-64"
          />
          {open && chosen && (
            <SnapshotPicker
              table={chosen}
              value={pinned}
              onChange={(snapshot) => {
                const rest = pins.filter((pin) => pin.table !== chosen);
                onChange(snapshot ? [...rest, { table: chosen, snapshot }] : rest);
              }}
            />
          )}
        </div>
      </Modal>
    </>
  );
}
