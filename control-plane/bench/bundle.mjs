/** Bundles a part of a bench that uses the product's own TypeScript; packages stay where they are. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
// Beside node_modules, so that packages that are not bundled are found.
const bundles = join(here, "..", "node_modules", ".cache", "bench");

const packagesStay = {
  name: "packages-stay",
  setup(bundle) {
    bundle.onResolve({ filter: /^[^./]/ }, ({ path }) =>
      path.startsWith("@mainstay/") ? undefined : { external: true },
    );
  },
};

/** Answers the file to start. */
export async function bundle(entry) {
  mkdirSync(bundles, { recursive: true });
  const outfile = join(bundles, entry);
  await build({
    entryPoints: [join(here, entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["source"],
    plugins: [packagesStay],
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    logLevel: "error",
  });
  return outfile;
}
