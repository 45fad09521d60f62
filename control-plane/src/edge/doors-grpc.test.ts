import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import {
  type Client,
  credentials,
  Metadata,
  makeClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  FleetService,
  GetNodeRequestSchema,
  type GetNodeResponse,
} from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import {
  JournalService,
  WatchJournalRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { madeUpRooms } from "./testing/made-up-rooms.js";
import { openTestDoors, type TestDoors, TOKEN } from "./testing/open-test-doors.js";

const run = promisify(execFile);
const BUF = new URL("../../../node_modules/.bin/buf", import.meta.url).pathname;

let doors: TestDoors;
const { services, seen, journal } = madeUpRooms();
beforeAll(async () => {
  doors = await openTestDoors({ services });
});
afterAll(() => doors.close());

const Made = makeClientConstructor(toServiceDefinition(FleetService), "fleet");

function client(): Client & Record<string, never> {
  return new Made(`127.0.0.1:${doors.grpcPort}`, credentials.createInsecure()) as Client &
    Record<string, never>;
}

function callGetNode(nodeId: string, metadata: Metadata, deadline?: Date): Promise<GetNodeResponse> {
  const { path, requestSerialize, responseDeserialize } = toServiceDefinition(FleetService).getNode;
  const grpc = client();
  return new Promise<GetNodeResponse>((resolve, reject) => {
    const options = deadline === undefined ? {} : { deadline };
    grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(GetNodeRequestSchema, { nodeId }),
      metadata,
      options,
      (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer as GetNodeResponse);
      },
    );
  }).finally(() => grpc.close());
}

function withToken(): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${TOKEN}`);
  return metadata;
}

describe("gRPC", () => {
  test("a unary call, and its errors by code, sentence and facts", async () => {
    expect((await callGetNode("web-1", withToken())).node?.name).toBe("web-1");
    const refused = await callGetNode("x", withToken()).catch((error: ServiceError) => error);
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: 'node "x": not known' });
    const [facts] = (refused as ServiceError).metadata.get("mainstay-details-bin");
    expect(JSON.parse(String(facts))).toEqual({ nodeId: "x" });
  });

  test("without a token it is UNAUTHENTICATED", async () => {
    const refused = await callGetNode("web-1", new Metadata()).catch((error: ServiceError) => error);
    expect(refused).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  test("a deadline aborts the call inside", async () => {
    seen.length = 0;
    const late = await callGetNode("slow", withToken(), new Date(Date.now() + 200)).catch(
      (e: ServiceError) => e,
    );
    expect(late).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await expect.poll(() => seen[0]?.context.signal.aborted).toBe(true);
  });

  test("a stream is written no faster than it is read, and ends when the client leaves", async () => {
    journal.produced = 0;
    journal.ended = 0;
    const { path, requestSerialize, responseDeserialize } = toServiceDefinition(JournalService).watchJournal;
    const grpc = client();
    const call = grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(WatchJournalRequestSchema),
      withToken(),
    );
    call.on("error", () => {});
    await once(call, "readable");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(journal.produced).toBeGreaterThan(10);
    expect(journal.produced).toBeLessThan(2_000);
    const before = journal.produced;
    for (let read = 0; read < 1_000; read += 1) if (call.read() === null) await once(call, "readable");
    expect(journal.produced).toBeGreaterThan(before);
    call.cancel();
    await expect.poll(() => journal.ended).toBe(1);
    grpc.close();
  });
});

describe("buf curl, by reflection alone", () => {
  const curl = (args: readonly string[]): Promise<{ stdout: string }> =>
    run(BUF, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args], { cwd: "/" });
  const auth = ["-H", `authorization: Bearer ${TOKEN}`, "--reflect-header", "*"];
  const base = (): string => `http://127.0.0.1:${doors.grpcPort}`;

  test("lists services, calls one, and reads a stream", async () => {
    const { stdout: listed } = await curl([...auth, "--list-services", base()]);
    expect(listed).toContain("mainstay.operator.v1.FleetService");
    expect(listed).toContain("grpc.health.v1.Health");
    const { stdout } = await curl([
      ...auth,
      "-d",
      '{"nodeId":"web-1"}',
      `${base()}/mainstay.operator.v1.FleetService/GetNode`,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ node: { name: "web-1" } });
    const { stdout: streamed } = await curl([
      ...auth,
      "-d",
      '{"afterPosition":"99998"}',
      `${base()}/mainstay.operator.v1.JournalService/WatchJournal`,
    ]);
    expect(streamed.match(/"position"/g)).toHaveLength(2);
    const { stdout: enrolled } = await curl([
      ...auth,
      "-d",
      "{}",
      `${base()}/mainstay.agent.v1.AgentService/Enroll`,
    ]);
    expect(JSON.parse(enrolled)).toEqual({});
  });

  test("reflection needs a token too, and health does not", async () => {
    await expect(curl(["--list-services", base()])).rejects.toThrow(/not authenticated/i);
    const health = ["--schema", new URL("../../../proto", import.meta.url).pathname];
    const { stdout } = await curl([...health, "-d", "{}", `${base()}/grpc.health.v1.Health/Check`]);
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
    await expect(
      curl([
        ...health,
        "-d",
        '{"service":"mainstay.operator.v1.FleetService"}',
        `${base()}/grpc.health.v1.Health/Check`,
      ]),
    ).rejects.toThrow(/unauthenticated/i);
  });
});
