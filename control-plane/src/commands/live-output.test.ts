import { expect, test } from "vitest";
import { commandId, nodeId } from "../kernel/ids.js";
import { inProcessLive } from "../platform/redis/live.js";
import type { CommandEvent } from "./domain/command.js";
import { commandChannel, LiveOutput, readLiveOutput } from "./live-output.js";
import { madeCommand } from "./testing/made-command.js";

const NODE = nodeId("n1");
const ID = commandId("c1");
const printed = (more: Partial<CommandEvent> = {}): CommandEvent => ({
  commandId: ID,
  attempt: 1,
  sequence: 3,
  at: 5,
  mode: "run",
  what: {
    kind: "output",
    stream: "stderr",
    offset: 7,
    skippedBytes: 2,
    data: new TextEncoder().encode("no\n"),
  },
  ...more,
});

function listening() {
  const live = inProcessLive();
  const heard: string[] = [];
  live.subscribe(commandChannel(ID), (message) => heard.push(message));
  return { output: new LiveOutput(live), heard };
}

test("a piece comes through as it was said", () => {
  const { output, heard } = listening();
  output.expect(madeCommand("sent", { id: ID, nodeId: NODE }));
  output.tell(NODE, printed());
  output.tellNews(ID);
  expect(heard.map(readLiveOutput)).toEqual([{ ...printed().what, sequence: 3, at: 5 }, undefined]);
});

test.each([
  ["of a command that was not ordered here", NODE, printed(), undefined],
  ["of another node's command", nodeId("n2"), printed(), 1],
  ["of another attempt", NODE, printed({ attempt: 2 }), 1],
  ["of a plan", NODE, printed({ mode: "preview" }), 1],
  ["that is no output", NODE, printed({ what: { kind: "started" } }), 1],
])("what is said %s is not told", (_, from, event, attempt) => {
  const { output, heard } = listening();
  if (attempt !== undefined) output.expect(madeCommand("sent", { id: ID, nodeId: NODE, attempt }));
  output.tell(from, event);
  expect(heard).toEqual([]);
});
