import { expect, test } from "vitest";
import { madeCommand } from "../testing/made-command.js";
import { chooseOrder } from "./choose-order.js";

const SESSION = 7;
test.each([
  ["asks for a plan over a new stream", madeCommand("planning"), "preview"],
  ["asks again over the stream after that", madeCommand("planning", { sentSession: 6 }), "preview"],
  ["asks once over one stream", madeCommand("planning", { sentSession: SESSION }), "nothing"],
  ["waits for the approval", madeCommand("awaiting-approval"), "nothing"],
  ["sends what is approved", madeCommand("approved"), "run"],
  ["sends again what the last stream may not have delivered", madeCommand("sent", { sentSession: 6 }), "run"],
  ["sends once over one stream", madeCommand("sent", { sentSession: SESSION }), "nothing"],
  [
    "does not send again what the agent has",
    madeCommand("sent", { sentSession: 6, runSequence: 1 }),
    "nothing",
  ],
  ["never sends what has begun", madeCommand("running", { sentSession: 6 }), "nothing"],
  ["tells of a cancellation", madeCommand("running", { cancelBecause: "ann cancelled it" }), "cancel"],
  [
    "tells of a cancellation instead of the order",
    madeCommand("sent", { sentSession: 6, cancelBecause: "x" }),
    "cancel",
  ],
  ["has nothing for what ended", madeCommand("expired"), "nothing"],
])("%s", (_, command, expected) => {
  const choice = chooseOrder(command, SESSION);
  expect(choice.kind === "order" ? choice.mode : choice.kind).toBe(expected);
});
