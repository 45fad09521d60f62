/** OutputsService: proto message ↔ found output. */
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { OutputsService } from "@mainstay/proto/gen/mainstay/operator/v1/outputs_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { OpsError } from "../kernel/errors.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import { findLines, wordsOf } from "./domain/find-lines.js";
import { searchOutput } from "./outputs.store.js";

const QUERY_LENGTH = 200;
const LIMIT = { default: 50, max: 200 } as const;

export function outputsApi(database: Database): ServiceImplementation<typeof OutputsService, CallContext> {
  return {
    async searchOutput(request) {
      const { query, nodeId, action, commandId, since, until } = request;
      if (query.length > QUERY_LENGTH || wordsOf(query).length === 0) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `search output: query "${query.slice(0, 50)}": expected words of at most ${QUERY_LENGTH} characters together`,
        );
      }
      const limit = Math.min(request.limit || LIMIT.default, LIMIT.max);
      const found = await searchOutput(database, {
        query: query.replaceAll("\0", " "),
        node: nodeId,
        action,
        commandId,
        since: since === undefined ? undefined : timestampMs(since),
        until: until === undefined ? undefined : timestampMs(until),
        // One more than is shown, to know whether there is more.
        limit: limit + 1,
      });
      return {
        hits: found.slice(0, limit).map(({ text, at, offset, ...hit }) => ({
          ...hit,
          offset: BigInt(offset),
          at: timestampFromMs(at),
          lines: [...findLines(text, query)],
        })),
        hasMore: found.length > limit,
      };
    },
  };
}
