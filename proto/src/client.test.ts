import { create } from "@bufbuild/protobuf";
import { credentials, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  Health as HealthService,
} from "../gen/grpc/health/v1/health_pb.js";
import { createGrpcClient, type GrpcClient } from "./client.js";
import { type GrpcHandlers, toServiceDefinition } from "./grpc-js.js";

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
const server = new Server();
let client: GrpcClient<typeof HealthService>;
let seen: { traceparent: string | undefined; hasDeadline: boolean } | undefined;
let written = 0;
let cancelled: Promise<void>;
let noteCancelled: () => void = () => {};

beforeAll(async () => {
  const handlers: GrpcHandlers<typeof HealthService> = {
    check: (call, answer) => {
      seen = {
        traceparent: call.metadata.get("traceparent")[0]?.toString(),
        hasDeadline: call.getDeadline() !== Number.POSITIVE_INFINITY,
      };
      call.on("cancelled", () => noteCancelled());
      if (call.request.service === "missing")
        answer({ code: status.NOT_FOUND, details: 'no service "missing"' });
      else if (call.request.service !== "silent")
        answer(null, create(HealthCheckResponseSchema, { status: SERVING }));
    },
    watch: (call) => {
      call.on("cancelled", () => noteCancelled());

      const write = (): void => {
        while (written < 100_000 && !call.cancelled) {
          written += 1;
          const more = call.write(
            create(HealthCheckResponseSchema, { status: written % 2 === 1 ? SERVING : NOT_SERVING }),
          );
          if (call.request.service === "two" && written === 2) return void call.end();
          if (call.request.service === "fails")
            return void call.emit("error", { code: status.RESOURCE_EXHAUSTED, details: "too many watchers" });
          if (!more) return void call.once("drain", write);
        }
      };
      write();
    },
  };
  server.addService(toServiceDefinition(HealthService), { ...handlers });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  client = createGrpcClient(HealthService, `127.0.0.1:${port}`, credentials.createInsecure());
});
afterAll(() => {
  client.close();
  server.forceShutdown();
});
beforeEach(() => {
  written = 0;
  seen = undefined;
  cancelled = new Promise((resolve) => {
    noteCancelled = resolve;
  });
});

describe("a unary method", () => {
  test("answers with the generated message, and carries metadata and a deadline by default", async () => {
    const answer = await client.check({ service: "any" }, { metadata: { traceparent: "00-abc" } });
    expect(answer.status).toBe(SERVING);
    expect(seen).toEqual({ traceparent: "00-abc", hasDeadline: true });
  });

  test("rejects with the status and the words of the server", async () => {
    await expect(client.check({ service: "missing" })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: 'no service "missing"',
    });
  });

  test("ends with DEADLINE_EXCEEDED when the server is silent for longer than timeoutMs", async () => {
    await expect(client.check({ service: "silent" }, { timeoutMs: 50 })).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
  });

  test("is cancelled on the server when its signal aborts", async () => {
    const control = new AbortController();
    const call = client.check({ service: "silent" }, { signal: control.signal });
    setTimeout(() => control.abort(), 20);
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
    await cancelled;
  });

  test("ends at once when its signal was aborted before", async () => {
    await expect(client.check({ service: "silent" }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: status.CANCELLED,
    });
  });
});

describe("a server stream", () => {
  test("is read to its end", async () => {
    const got: HealthCheckResponse_ServingStatus[] = [];
    for await (const message of client.watch({ service: "two" })) got.push(message.status);
    expect(got).toEqual([SERVING, NOT_SERVING]);
  });

  test("is cancelled on the server when its loop is left, and holds the server back until then", async () => {
    let read = 0;
    for await (const _ of client.watch({ service: "endless" })) {
      read += 1;
      if (read === 10) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        break;
      }
    }
    await cancelled;
    expect(written).toBeLessThan(50_000);
  });

  test("throws the server's error to its reader", async () => {
    const read = async (): Promise<void> => {
      for await (const _ of client.watch({ service: "fails" })) written += 0;
    };
    await expect(read()).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: "too many watchers",
    });
  });

  test("ends with CANCELLED when its signal aborts", async () => {
    const control = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of client.watch({ service: "endless" }, { signal: control.signal })) control.abort();
    };
    await expect(codeOf(read())).resolves.toBe(status.CANCELLED);
    await cancelled;
  });
});

/** The status alone: an error that a matcher would print whole holds the connection. */
async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => "no error",
    (error: { code: unknown }) => error.code,
  );
}
