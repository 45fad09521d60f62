import { expect, test } from "vitest";
import { DAY } from "../../kernel/time.js";
import { systemClock } from "../../platform/system.js";
import type { Asked } from "../http-endpoint.js";
import { federate } from "./federate.js";
import { type StatusDeps, statusEndpoints } from "./status.js";

const asked: Asked = {
  ...{ verb: "GET", fields: { "match[]": "up" }, segment: "", body: undefined, headers: {} },
  caller: { actor: { kind: "human", name: "tester" }, roles: ["viewer"], tokenId: "t-1" },
  signal: new AbortController().signal,
};
const externalLabels = { cluster: 'north "1"', job: "house" };
const labels = { __name__: "up", job: "own" };
const none = { warnings: [], infos: [] };
const deps: StatusDeps = {
  series: {
    query: async (expr, at) =>
      expr.endsWith("]")
        ? {
            kind: "matrix",
            series: [{ labels, timestamps: Float64Array.of(5), values: Float64Array.of(1) }],
            ...none,
          }
        : { kind: "vector", samples: [{ labels, timestamp: at, value: 1 }], ...none },
    figures: () => Promise.reject(new Error("nobody asks")),
  },
  ...{ clock: systemClock, version: "0", startedAt: 0, ruleFiles: [], retention: DAY, externalLabels },
};

test("what is federated says where it is from, unless it says otherwise itself", async () => {
  const { body } = await federate(deps, asked);
  expect(body).toBe('# TYPE up untyped\nup{cluster="north \\"1\\"",job="own",instance=""} 1 5\n');
});

test("the shown configuration names them", async () => {
  const config = statusEndpoints(deps).find(({ path }) => path === "status/config");
  const answer = await config?.answer(asked);
  expect(JSON.parse(String(answer?.body))).toMatchObject({
    data: { yaml: 'global:\n  external_labels:\n    cluster: "north \\"1\\""\n    job: "house"\n' },
  });
});
