import { once } from "node:events";
import { connect } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
} from "@mainstay/proto/gen/grpc/health/v1/health_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { expect, test } from "vitest";
import { system } from "../platform/system.js";
import { Admission } from "./agent-link/admission.js";
import { openTestDoors, testIdentity } from "./testing/open-test-doors.js";

const showsCertificate = (port: number, ca: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const to = { host: "127.0.0.1", port, ca, servername: "localhost", ALPNProtocols: ["h2", "http/1.1"] };
    const socket = connect(to, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on("error", reject);
  });

test("a renewed certificate is shown to whoever connects next", async () => {
  const secure = await openTestDoors({ tls: true });
  const { clientCaPem: ca } = secure.identity;
  const operatorPorts = [secure.restPort, secure.grpcPort];
  const before = await Promise.all(operatorPorts.map((port) => showsCertificate(port, ca)));
  expect(new Set(before).size).toBe(1);
  const renewed = await testIdentity();
  secure.renew({ agents: renewed, operator: renewed });
  const after = await Promise.all(operatorPorts.map((port) => showsCertificate(port, ca)));
  expect(new Set(after).size).toBe(1);
  expect(after[0]).not.toBe(before[0]);
  await secure.close();
});

test("the agents' port speaks to nobody without a certificate of the house", async () => {
  const doors = await openTestDoors();
  const { agentPort, identity } = doors;
  const greeted = await new Promise<string>((resolve) => {
    const to = { host: "127.0.0.1", port: agentPort, ca: identity.clientCaPem, servername: "localhost" };
    const socket = connect({ ...to, ALPNProtocols: ["h2"] });
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", () => resolve("closed"));
    socket.on("data", () => resolve("spoken to"));
  });
  expect(greeted).toMatch(/certificate required|closed/i);
  await doors.close();
});

test("a connection that TLS turns away gives its place to the next", async () => {
  const admission = new Admission(system.clock, { openingMax: 1, openingFor: 60_000 });
  const doors = await openTestDoors({ admission });
  const { agentPort, identity } = doors;
  const turnedAway = (): Promise<unknown> => {
    const to = { host: "127.0.0.1", port: agentPort, ca: identity.clientCaPem, servername: "localhost" };
    const socket = connect({ ...to, ALPNProtocols: ["h2"] });
    socket.on("error", () => {});
    return new Promise((resolve) => socket.on("close", resolve));
  };
  await Promise.all([turnedAway(), turnedAway(), turnedAway()]);
  await expect.poll(() => admission.figures).toMatchObject({ waiting: 0, opening: 0, admitted: 3 });
  await doors.close();
});

test("open streams end with the doors, and health says so first", async () => {
  const closing = await openTestDoors();
  const grpc = new Client(`127.0.0.1:${closing.grpcPort}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = toServiceDefinition(Health).watch;
  const question = create(HealthCheckRequestSchema);
  const watch = grpc.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    question,
    new Metadata(),
  );
  const states: unknown[] = [];
  watch.on("data", (state: HealthCheckResponse) => states.push(state.status));
  watch.on("error", () => {});
  const ended = once(watch, "close");
  await expect.poll(() => states).toEqual([1]);
  closing.serving.set(false);
  await expect.poll(() => states).toEqual([1, 2]);
  const started = performance.now();
  await closing.close();
  await ended;
  expect(performance.now() - started).toBeLessThan(2_500);
  grpc.close();
});
