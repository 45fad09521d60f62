/** The person at the client: whether they can be asked, and what they said. */
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequest,
  inputRequired,
  inputResponse,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { APPROVE_FORM } from "./prompt.js";

/** `dismissed`: closed without a decision. */
export type Decision = "approved" | "declined" | "dismissed";

const APPROVE_KEY = "approve";
const approveSchema = z.object({ approve: z.boolean() });

/** Whether the client can put a form before a person: in 2026-07-28 as its request says, before as its session did. */
export function canAsk(mcp: McpServer, context: ServerContext): boolean {
  const envelope: Readonly<Record<string, unknown>> = { ...context.mcpReq.envelope };
  return takesForms(envelope[CLIENT_CAPABILITIES_META_KEY] ?? mcp.server.getClientCapabilities());
}

/** Whether declared capabilities have a person who can be asked by a form. */
export function takesForms(declared: unknown): boolean {
  if (typeof declared !== "object" || declared === null || !("elicitation" in declared)) return false;
  const { elicitation } = declared;
  if (typeof elicitation !== "object" || elicitation === null) return false;
  // An empty object is what clients said before there were modes; it means forms.
  return "form" in elicitation || !("url" in elicitation);
}

/** The request that is put before the person. */
export function approvalRequest(message: string): InputRequest {
  return inputRequired.elicit({ message, requestedSchema: APPROVE_FORM });
}

/** The result that asks, in either era. */
export function askApproval(message: string, requestState: string) {
  return inputRequired({ inputRequests: { [APPROVE_KEY]: approvalRequest(message) }, requestState });
}

type Responses = ServerContext["mcpReq"]["inputResponses"];

/** What the person said under `key`; undefined when the request brings no answer. Anything but a plain yes is none. */
export function decisionIn(responses: Responses, key: string = APPROVE_KEY): Decision | undefined {
  const view = inputResponse(responses, key);
  if (view.kind === "missing") return undefined;
  if (view.kind !== "elicit") return "dismissed";
  if (view.action === "accept") {
    return acceptedContent(responses, key, approveSchema)?.approve === true ? "approved" : "declined";
  }
  return view.action === "decline" ? "declined" : "dismissed";
}
