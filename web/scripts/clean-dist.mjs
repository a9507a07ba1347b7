// Empties dist/ but for .gitkeep, without which `go build` has nothing to embed.
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";

const dist = new URL("../dist/", import.meta.url);
await mkdir(dist, { recursive: true });
for (const name of await readdir(dist)) {
  if (name !== ".gitkeep") await rm(new URL(name, dist), { recursive: true });
}
await writeFile(new URL(".gitkeep", dist), "");
