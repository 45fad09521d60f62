/** Two rooms made up for the doors' tests: what they were asked is remembered, and the answers are as a test needs them. */
import { once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FleetService, type GetNodeResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { OpsError } from "../../kernel/errors.js";
import type { CallContext } from "../../platform/call.js";
import { type OperatorService, operatorService } from "../operator-api.js";

export interface MadeUpRooms {
  readonly services: readonly OperatorService[];
  /** Calls of the fleet, oldest first. */
  readonly seen: { readonly request: unknown; readonly context: CallContext }[];
  /** Entries that the journal's streams have given out, and streams that have ended. */
  readonly journal: { produced: number; ended: number };
}

export function madeUpRooms(): MadeUpRooms {
  const seen: MadeUpRooms["seen"] = [];
  const figures = { produced: 0, ended: 0 };
  const fleet = operatorService(FleetService, {
    async listNodes(request, context) {
      seen.push({ request, context });
      if (request.page?.size === 999) throw new Error("secret of the inside");
      return { nodes: [{ nodeId: "n-1", name: "web-1" }], nextToken: "" };
    },
    async getNode(request, context): Promise<MessageInitShape<typeof GetNodeResponseSchema>> {
      seen.push({ request, context });
      if (request.nodeId === "slow") {
        await once(context.signal, "abort");
        throw new OpsError("CANCELLED", "gone");
      }
      if (request.nodeId !== "web-1") {
        throw new OpsError("NOT_FOUND", `node "${request.nodeId}": not known`, { nodeId: request.nodeId });
      }
      return { node: { nodeId: "n-1", name: request.nodeId } };
    },
    async createJoinToken(request) {
      return { token: `mjt_${request.nodeName}_${request.validSeconds}` };
    },
    async revokeNode(request, context) {
      seen.push({ request, context });
      return { node: { nodeId: request.nodeId } };
    },
    async listCertificates() {
      return {};
    },
  });

  const journal = operatorService(JournalService, {
    async listEntries() {
      return {};
    },
    async verifyJournal() {
      return { intact: true, entries: 7n };
    },
    async *watchJournal(request) {
      try {
        for (let position = request.afterPosition + 1n; position <= 100_000n; position += 1n) {
          figures.produced += 1;
          yield { entry: { position, because: "x".repeat(1_000) } };
        }
      } finally {
        figures.ended += 1;
      }
    },
  });

  return { services: [fleet, journal], seen, journal: figures };
}
