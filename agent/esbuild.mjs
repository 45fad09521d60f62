/** Bundles the agent into dist/: one file to start, and what is rarely needed in chunks beside it. */
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
rmSync(`${root}dist/chunks`, { recursive: true, force: true });
const result = await build({
  absWorkingDir: root,
  entryPoints: { agent: "src/main.ts" },
  outdir: "dist",
  outExtension: { ".js": ".mjs" },
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20",
  // The sources of workspaces, so that the bundle needs no build before it.
  conditions: ["source"],
  minify: true,
  keepNames: true,
  legalComments: "none",
  // Optional parts of pg that are not installed.
  external: ["pg-native", "pg-cloudflare"],
  // Libraries in CommonJS ask for Node's own modules with require.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  metafile: true,
  logLevel: "warning",
});
for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  if (file.endsWith("agent.mjs")) console.log(`agent bundle: ${file}, ${(bytes / 1024).toFixed(0)} KiB`);
}
