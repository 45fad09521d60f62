import { parseJSONRPCMessage } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { expect, test } from "vitest";
import { invalid, readMessage } from "./read-message.js";

test.each([
  ["{", -32_700],
  ["", -32_700],
  ["[]", -32_600],
  ["null", -32_600],
  ['{"jsonrpc":"1.0","id":1,"method":"ping"}', -32_600],
  ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32_600],
  ['{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32_600],
  ['{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":{}}}}', -32_600],
])("%s is refused with %i", (text, code) => {
  expect(readMessage(text)).toMatchObject({ kind: "refused", answer: { id: null, error: { code } } });
});

const part = fc.oneof(
  fc.constantFrom<unknown>("2.0", "ping", 1, null, undefined, [], {}),
  fc.jsonValue({ maxDepth: 1 }),
);
const near = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 5, arbitrary: fc.constant<unknown>("2.0") }, { weight: 1, arbitrary: part }),
    id: part,
    method: part,
    params: fc.oneof(
      part,
      fc.record({ _meta: fc.oneof(part, fc.record({ progressToken: part })) }, { requiredKeys: [] }),
    ),
    result: part,
    extra: part,
  },
  { requiredKeys: [] },
);

test("what it lets pass is what the SDK's own schema lets pass, as that reads it", () => {
  fc.assert(
    fc.property(near, (value) => {
      const text = JSON.stringify(value);
      let wanted: unknown;
      try {
        wanted = { kind: "message", message: parseJSONRPCMessage(JSON.parse(text)) };
      } catch {
        wanted = invalid("not one message of JSON-RPC 2.0");
      }
      expect(readMessage(text)).toEqual(wanted);
    }),
    { numRuns: 2_000 },
  );
});
