import type { HotFix, LookupCost } from "~/gen/firn/v1/maintenance_pb";

/** The steps of the ladder that cools hot partitions; asked: somebody may ask for it. */
export const steps: Record<string, { name: string; what: string; asked: boolean }> = {
  "group-commit": { name: "Group commit", what: "Writers share commits.", asked: false },
  "object-paths": {
    name: "Object paths",
    what: "New objects get hashed prefixes, over which an object store spreads its load.",
    asked: true,
  },
  "fragments-only": {
    name: "Fragments only",
    what: "While writers are there, small files are joined by copying and nothing heavier is done.",
    asked: false,
  },
  cluster: {
    name: "Cluster",
    what: "All files of the partition are rewritten, their rows laid out by the columns that scans select by. The partition spec stays.",
    asked: true,
  },
  bucket: {
    name: "Bucket",
    what: "A bucket field is added to the partition spec, for all rows to come, and the files of this partition are moved into their buckets.",
    asked: true,
  },
  coarsen: {
    name: "Coarsen",
    what: "A field of the partition spec becomes coarser, and all files are moved into the new partitions.",
    asked: true,
  },
};

/** The lookups of a fix, each before and after; after is missing until it was measured. */
export function lookupChange(fix: HotFix): { column: string; before: LookupCost; after: LookupCost | undefined }[] {
  return (fix.before?.lookups ?? []).map((before) => ({
    column: before.column,
    before,
    after: fix.after?.lookups.find((lookup) => lookup.column === before.column),
  }));
}
