import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";

/**
 * Scripts and programs run on what was built; tests run on the sources of every workspace. The condition has a name of
 * our own: packages from elsewhere offer their sources as "source" too, and Node cannot run those.
 */
const sourceFirst = {
  resolve: { conditions: ["mainstay-source", ...defaultClientConditions] },
  ssr: { resolve: { conditions: ["mainstay-source", ...defaultServerConditions] } },
};

const notTests = ["**/node_modules/**", "**/dist/**", "proto/gen/**"];

export default defineConfig({
  test: {
    maxWorkers: 2,
    // Every file importing Nest anew costs ten times the tests themselves: no global state, no leaking mocks.
    isolate: false,
    projects: [
      {
        ...sourceFirst,
        test: {
          name: "unit",
          include: ["**/src/**/*.test.ts", "scripts/**/*.test.mjs", "e2e/worlds/**/*.test.ts"],
          exclude: [...notTests, "**/*.pg.test.ts", "e2e/!(worlds)/**", "e2e/*.test.ts"],
          setupFiles: ["reflect-metadata"],
          isolate: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...sourceFirst,
        test: {
          name: "pg",
          include: ["**/src/**/*.pg.test.ts"],
          exclude: notTests,
          setupFiles: ["reflect-metadata"],
          globalSetup: ["control-plane/src/platform/testing/test-server.ts"],
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...sourceFirst,
        test: {
          name: "e2e",
          include: ["e2e/**/*.test.ts"],
          exclude: [...notTests, "e2e/worlds/**"],
          isolate: false,
          // A story starts whole programs and measures time: stories run one after the other.
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
