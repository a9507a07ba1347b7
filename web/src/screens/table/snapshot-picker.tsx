import { useSnapshots } from "~/api/queries";
import { moment, shortSnapshot } from "~/lake/format";
import { operationLabel } from "~/lake/snapshots";
import { Select } from "~/ui/filters";

/** Chooses a snapshot of a table; empty is the head. */
export function SnapshotPicker({
  table,
  value,
  onChange,
}: {
  table: string;
  value: string;
  onChange: (snapshot: string) => void;
}) {
  const snapshots = useSnapshots(table, 500);
  const options = (snapshots.data?.snapshots ?? []).map((snapshot) => ({
    value: snapshot.snapshotId.toString(),
    label: `${moment(snapshot.committedAt).slice(5)} ${operationLabel(snapshot.operation)} ${shortSnapshot(snapshot.snapshotId)}`,
  }));
  // An older snapshot than those listed is still what the URL says.
  if (value && !options.some((option) => option.value === value))
    options.unshift({ value, label: `snapshot ${value}` });
  return (
    <Select
      label={`Snapshot of ${table}`}
      value={value}
      onChange={onChange}
      options={[{ value: "", label: "at the head" }, ...options]}
      className="max-w-64"
    />
  );
}
