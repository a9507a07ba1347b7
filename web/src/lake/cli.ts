/** The command lines that do what a button does. */
export const cli = {
  tables: (namespace = "") => (namespace ? `firn table ls ${arg(namespace)}` : "firn table ls"),
  table: (table: string) => `firn table show ${arg(table)}`,
  health: (table: string) => `firn table health ${arg(table)}`,
  policy: (table: string) => `firn policy show ${arg(table)}`,
  files: (table: string, snapshot = "") =>
    `firn table files ${arg(table)}${snapshot ? ` --snapshot ${arg(snapshot)}` : ""}`,
  partitions: (table: string) => `firn table partitions ${arg(table)}`,
  snapshots: (table: string) => `firn table snapshots ${arg(table)}`,
  connect: (table: string, engine: string) => `firn table connect ${arg(table)} --engine ${arg(engine)}`,
  compact: (table: string) => `firn compact ${arg(table)} --wait`,
  compactDry: (table: string) => `firn compact ${arg(table)} --dry-run`,
  hot: (table: string) => `firn table hot ${arg(table)}`,
  rebalance: (table: string) => `firn rebalance ${arg(table)} --wait`,
  rebalanceDry: (table: string) => `firn rebalance ${arg(table)} --dry-run`,
  /** One step of the ladder, in one partition; its fields as name=value, or the name alone for NULL. */
  rebalanceStep: (table: string, step: string, fields: readonly string[]) =>
    [`firn rebalance ${arg(table)} --step ${step}`, ...fields.map((field) => `--partition ${arg(field)}`)].join(" "),
  expire: (table: string) => `firn expire ${arg(table)} --wait`,
  expireDry: (table: string) => `firn expire ${arg(table)} --dry-run`,
  run: (model?: string) => (model ? `firn run ${arg(model)} --wait` : "firn run --wait"),
  runs: (model = "") => (model ? `firn runs ${arg(model)}` : "firn runs"),
  jobs: (state?: string) => (state ? `firn job ls --state ${arg(state)}` : "firn job ls"),
  job: (id: string) => `firn job show ${arg(id)}`,
  cancel: (id: string) => `firn job cancel ${arg(id)}`,
  retry: (id: string) => `firn job retry ${arg(id)}`,
  schedules: () => "firn schedule ls",
  schedule: (name: string) => `firn schedule show ${arg(name)}`,
  schedulePause: (name: string) => `firn schedule pause ${arg(name)}`,
  scheduleResume: (name: string) => `firn schedule resume ${arg(name)}`,
  scheduleRemove: (name: string) => `firn schedule rm ${arg(name)}`,
  scheduleRun: (name: string) => `firn schedule run ${arg(name)}`,
  quarantine: (model?: string, rule?: string) =>
    model ? `firn quarantine show ${arg(model)}${rule ? ` --rule ${arg(rule)}` : ""}` : "firn quarantine ls",
  channels: (table?: string) => (table ? `firn channel ls ${arg(table)}` : "firn channel ls"),
  sql: (text: string, at = "") => `firn sql${at ? ` --at ${arg(at)}` : ""} -c ${arg(text)}`,
  ingest: (table: string) => `firn ingest rows.ndjson --table ${arg(table)}`,
  apply: () => "firn apply docs/examples/retail",
  /** The first table of an empty lake, and its first row. */
  start: () => START.join(AND),
};

const AND = " &&\n";
const START = [
  "firn ns create bronze",
  "firn table create bronze.events --column 'id long' --column 'note string'",
  `echo '{"id": 1, "note": "first snow"}' | firn ingest - --table bronze.events`,
];

/** Where the command line looks for Firn when nobody tells it. */
const KNOWN = ["http://127.0.0.1:8181", "http://localhost:8181"];

/** The command as it works in any folder: it names the service when that is not the usual one. */
export function atServer(command: string, origin: string): string {
  if (!/^https?:/.test(origin) || KNOWN.includes(origin)) return command;
  const parts = command === cli.start() ? START : [command];
  return parts.map((part) => `${part} --server ${arg(origin)}`).join(AND);
}

/** A word as a POSIX shell takes it unchanged. */
export function arg(word: string): string {
  if (/^[A-Za-z0-9_./:@%+=-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
