/**
 * What a person can ask for by name: a way of working through the tools, for a model to follow. The words are ours; of
 * the arguments only names and ids go in, so nothing that a host says stands among instructions.
 */
import { completable, type McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { idsBeginning } from "../resources/readings.js";
import type { Complete } from "../resources/resources.js";
import { checklist, failover, handover, postmortem, triage } from "./texts.js";

const NAME = /^[A-Za-z0-9._:-]{1,128}$/;
const nameText = (what: string) => z.string().regex(NAME, `${what}: letters, digits and . _ : - only`);
const hoursText = () => z.string().regex(/^\d{1,3}$/, "hours: a whole number of hours, such as 8");

const asked = (text: string) => ({
  messages: [{ role: "user" as const, content: { type: "text" as const, text } }],
});

/** Values of an argument that begin as was written. */
const among = (words: readonly string[]) => (begun: string | undefined) =>
  words.filter((word) => word.startsWith(begun ?? ""));

export function addPrompts(mcp: McpServer, complete: Complete): void {
  const ids = (thing: "alert" | "node") => (begun: string | undefined) =>
    complete((rooms) => idsBeginning(rooms, thing, begun ?? ""));
  mcp.registerPrompt(
    "triage_alert",
    {
      title: "Triage an alert",
      description: "Find out why an alert fires, whether it matters, and what to do about it.",
      argsSchema: z.object({ alert_id: completable(nameText("alert_id"), ids("alert")) }),
    },
    ({ alert_id: id }) => asked(triage(id)),
  );
  mcp.registerPrompt(
    "shift_handover",
    {
      title: "Hand over a shift",
      description: "What happened in the last hours, what is open, what the next person must know.",
      argsSchema: z.object({ hours: completable(hoursText(), among(["8", "12", "24"])).optional() }),
    },
    ({ hours: given }) => asked(handover(given ?? "8")),
  );
  mcp.registerPrompt(
    "daily_checklist",
    { title: "Daily checklist", description: "The morning's look at the whole, in order, with findings." },
    () => asked(checklist()),
  );
  mcp.registerPrompt(
    "postmortem_draft",
    {
      title: "Draft a post-mortem",
      description: "A timeline from the journal, causes and what follows, blaming nobody.",
      argsSchema: z.object({
        alert_id: completable(nameText("alert_id"), ids("alert")),
        hours: completable(hoursText(), among(["2", "6", "24"])).optional(),
      }),
    },
    ({ alert_id: id, hours: given }) => asked(postmortem(id, given ?? "6")),
  );
  mcp.registerPrompt(
    "failover_plan",
    {
      title: "Plan a failover",
      description:
        "What would have to be moved off a node, in which order, and how to come back. Plans only.",
      argsSchema: z.object({ node: completable(nameText("node"), ids("node")) }),
    },
    ({ node }) => asked(failover(node)),
  );
}
