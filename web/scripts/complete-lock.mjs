// Completes package-lock.json with the optional packages of other platforms.
//
// npm leaves out of the lock what it could not reach when it resolved, such as
// the binaries of another operating system; `npm ci` then refuses the lock as
// incomplete. They are named, with exact versions, by the packages that want
// them, and never installed where they do not fit. Run it after a change of
// dependencies: `npm run lock`.
import { readFile, writeFile } from "node:fs/promises";

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(await readFile(file, "utf8"));
const systems = ["android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "aix", "win32"];
const processors = ["arm64", "x64", "arm", "ia32", "ppc64", "s390x", "riscv64", "loong64", "mips64el", "wasm32"];

let added = 0;
for (const [where, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${where}/node_modules/${name}`;
    const at = `node_modules/${name}`;
    if (lock.packages[at] || lock.packages[nested]) continue;
    if (!/^\d+\.\d+\.\d+/.test(version))
      throw new Error(`${where} wants ${name}@${version}, which is no exact version`);
    const words = name.split(/[-/]/);
    const os = systems.filter((system) => words.includes(system));
    const cpu = processors.filter((processor) =>
      words.some((word) => word === processor || (processor === "arm" && word.startsWith("arm") && word !== "arm64")),
    );
    if (os.length === 0 && cpu.length === 0) throw new Error(`${name} names no platform: add it with npm install`);
    lock.packages[at] = {
      version,
      ...(cpu.length ? { cpu } : {}),
      ...(entry.dev ? { dev: true } : {}),
      ...(words.includes("musl") || words.includes("gnu") ? { libc: [words.includes("musl") ? "musl" : "glibc"] } : {}),
      optional: true,
      ...(os.length ? { os } : {}),
    };
    added++;
  }
}
// No registry's name stands in the lock: the client's own configuration decides.
for (const entry of Object.values(lock.packages)) delete entry.resolved;
const sorted = Object.keys(lock.packages).sort();
lock.packages = Object.fromEntries(sorted.map((key) => [key, lock.packages[key]]));
await writeFile(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} packages of other platforms added`);
