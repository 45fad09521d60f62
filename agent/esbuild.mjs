/** Bundles the agent into dist/: one file to start, and what is rarely needed in chunks beside it. */
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * grpc-js brings a loader of .proto files for services that the agent does not have (channelz, ORCA). It is never called;
 * without it the agent takes 1 MB less memory.
 */
const noProtoLoader = {
  name: "no-proto-loader",
  /** @param {import("esbuild").PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /^@grpc\/proto-loader$/ }, () => ({
      path: "proto-loader",
      namespace: "left-out",
    }));
    build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents:
        "module.exports = { loadSync() { throw new Error('the agent has no loader of .proto files'); } };",
    }));
  },
};

/**
 * Of the Kubernetes client the agent uses what reads a kubeconfig and logs in; objects stay JSON. Its generated models of
 * every API are 3 MB of the bundle and are used only by what makes API clients, which is never called.
 */
const noGeneratedModels = {
  name: "no-generated-models",
  /** @param {import("esbuild").PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /\/gen\/index\.js$/ }, ({ importer }) =>
      importer.includes("@kubernetes/client-node")
        ? { path: "generated-models", namespace: "models-left-out" }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "models-left-out" }, () => ({
      contents:
        "const none = () => { throw new Error('the agent has no models of Kubernetes APIs'); };" +
        "export const createConfiguration = none; export const ServerConfiguration = none;",
    }));
  },
};

/** Libraries in CommonJS ask for Node's own modules with require. */
const requireForCommonJs =
  "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);";
/** An agent that works 10 ms a minute has no use for an optimising compiler, which takes 5 MB of memory (measured). */
const smallerHeap = "import{setFlagsFromString as __v8}from'node:v8';__v8('--no-opt');";

const root = fileURLToPath(new URL(".", import.meta.url));
rmSync(`${root}dist/chunks`, { recursive: true, force: true });
const result = await build({
  absWorkingDir: root,
  entryPoints: { agent: "src/main.ts", guard: "src/failover/guard/main.ts" },
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
  banner: { js: `${requireForCommonJs}${smallerHeap}` },
  plugins: [noProtoLoader, noGeneratedModels],
  metafile: true,
  logLevel: "warning",
});
for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  if (file.endsWith("agent.mjs")) console.log(`agent bundle: ${file}, ${(bytes / 1024).toFixed(0)} KiB`);
}
