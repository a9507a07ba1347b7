/// <reference types="vitest/config" />
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const src = fileURLToPath(new URL("./src", import.meta.url));

// `vite --mode fake` runs the page on the in-memory lake of the tests, without
// a server; every other mode talks to `firn dev`.
export default defineConfig(({ mode }) => ({
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: [
      ...(mode === "fake" ? [{ find: "~/api/transport", replacement: `${src}/testing/transport.ts` }] : []),
      { find: "~", replacement: src },
    ],
  },
  html: { cspNonce: "__FIRN_NONCE__" },
  build: {
    // dist/.gitkeep must survive, or `go build` has nothing to embed.
    emptyOutDir: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    // The compatibility matrix is read from docs/.
    fs: { allow: [".."] },
    proxy: {
      "^/(firn\\.v1\\.|v1/|livez|readyz|metrics)": "http://127.0.0.1:8181",
    },
  },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
}));
