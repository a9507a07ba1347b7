/** The command lines that do what a button does. */
export const cli = {
  tables: () => "firn table ls",
  table: (table: string) => `firn table show ${arg(table)}`,
  health: (table: string) => `firn table health ${arg(table)}`,
  files: (table: string) => `firn table files ${arg(table)}`,
  partitions: (table: string) => `firn table partitions ${arg(table)}`,
  snapshots: (table: string) => `firn table snapshots ${arg(table)}`,
  connect: (table: string, engine: string) => `firn table connect ${arg(table)} --engine ${arg(engine)}`,
  compact: (table: string) => `firn compact ${arg(table)} --wait`,
  compactDry: (table: string) => `firn compact ${arg(table)} --dry-run`,
  expire: (table: string) => `firn expire ${arg(table)} --wait`,
  expireDry: (table: string) => `firn expire ${arg(table)} --dry-run`,
  run: (model?: string) => (model ? `firn run ${arg(model)} --wait` : "firn run --wait"),
  plan: () => "firn plan",
  jobs: (state?: string) => (state ? `firn job ls --state ${arg(state)}` : "firn job ls"),
  job: (id: string) => `firn job show ${arg(id)}`,
  cancel: (id: string) => `firn job cancel ${arg(id)}`,
  retry: (id: string) => `firn job retry ${arg(id)}`,
  quarantine: (model?: string, rule?: string) =>
    model ? `firn quarantine show ${arg(model)}${rule ? ` --rule ${arg(rule)}` : ""}` : "firn quarantine ls",
  channels: (table?: string) => (table ? `firn channel ls --table ${arg(table)}` : "firn channel ls"),
  sql: (text: string, at = "") => `firn sql${at ? ` --at ${arg(at)}` : ""} -c ${arg(text)}`,
  ingest: (table: string) => `firn ingest rows.ndjson --table ${arg(table)}`,
};

/** A word as a POSIX shell takes it unchanged. */
export function arg(word: string): string {
  if (/^[A-Za-z0-9_./:@%+=-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
