import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Clock, system } from "../../platform/system.js";
import { Admission, type AdmissionLimits, OPENING_WANTED } from "./admission.js";

const servers: Server[] = [];
const clients: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

/** A port whose connections are admitted; `letIn` are those that were, in their order, with what they said first. */
async function open(limits: Partial<AdmissionLimits>, clock: Clock = system.clock) {
  const admission = new Admission(clock, limits);
  const letIn: { readonly socket: Socket; readonly peer: string; readonly said: string }[] = [];
  const server = createServer((socket) =>
    admission.take(socket, (admitted) => {
      const said = String(admitted.read());
      letIn.push({ socket, peer: `${socket.remoteAddress}:${socket.remotePort}`, said });
    }),
  );
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const come = async (says: string): Promise<Socket> => {
    const client = connect(port, "127.0.0.1");
    clients.push(client);
    client.on("error", () => {});
    await once(client, "connect");
    if (says !== "") client.write(says);
    return client;
  };
  const said = (): readonly string[] => letIn.map((each) => each.said);
  return { admission, letIn, said, come };
}

test("so many begin at a time, the others in their order as soon as one was welcomed", async () => {
  const { admission, letIn, said, come } = await open({ openingMax: 2 });
  for (const name of ["a", "b", "c", "d"]) {
    await come(name);
    await expect.poll(() => admission.figures.waiting + letIn.length).toBe(clients.length);
  }
  expect(said()).toEqual(["a", "b"]);
  admission.welcomed(letIn[0]?.peer ?? "");
  expect(said()).toEqual(["a", "b", "c"]);
  // Once is enough for one place.
  admission.welcomed(letIn[0]?.peer ?? "");
  expect(said()).toEqual(["a", "b", "c"]);
  admission.welcomed(letIn[2]?.peer ?? "");
  expect(said()).toEqual(["a", "b", "c", "d"]);
  expect(admission.figures).toMatchObject({ waiting: 0, opening: 2, admitted: 4, refused: 0, left: 0 });
});

test("whoever gives up in line is passed over", async () => {
  const { admission, letIn, said, come } = await open({ openingMax: 1 });
  await come("a");
  await expect.poll(said).toEqual(["a"]);
  const impatient = await come("b");
  await expect.poll(() => admission.figures.waiting).toBe(1);
  await come("c");
  await expect.poll(() => admission.figures.waiting).toBe(2);
  impatient.destroy();
  await expect.poll(() => admission.figures).toMatchObject({ waiting: 1, left: 1 });
  admission.welcomed(letIn[0]?.peer ?? "");
  expect(said()).toEqual(["a", "c"]);
});

test("a place is free again when its connection ends, and one of which nothing comes is cut", async () => {
  const { admission, letIn, said, come } = await open({ openingMax: 1, openingFor: 300 });
  const first = await come("a");
  await expect.poll(said).toEqual(["a"]);
  const second = await come("b");
  // As TLS does, which is not here: whoever takes a connection over reads it to its end.
  letIn[0]?.socket.resume();
  first.destroy();
  await expect.poll(said, { timeout: 5_000 }).toEqual(["a", "b"]);
  await come("c");
  const cut = once(second, "close");
  await expect.poll(said, { timeout: 5_000 }).toEqual(["a", "b", "c"]);
  await cut;
  expect(admission.figures.refused).toBeGreaterThanOrEqual(1);
});

test("fewer are let in at a time while each takes long, never none, and as many as before when it is quick", async () => {
  let now = 0;
  const slow = { ...system.clock, monotonic: () => now };
  const { admission, letIn, said, come } = await open({ openingMax: 6, openingFor: 600_000 }, slow);
  for (let number = 0; number < 30; number++) await come(`${number}`);
  await expect.poll(() => admission.figures.waiting + letIn.length).toBe(30);
  expect(admission.figures.opening).toBe(6);
  const welcome = (from: number, to: number): void => {
    for (const { peer } of letIn.slice(from, to)) admission.welcomed(peer);
  };
  now += OPENING_WANTED + 1;
  welcome(0, 4);
  expect(admission.figures.opening).toBe(4);
  now += OPENING_WANTED + 1;
  welcome(4, letIn.length);
  expect(admission.figures.opening).toBe(4);
  const slowly = letIn.length;
  while (admission.figures.waiting > 8) welcome(0, letIn.length);
  expect(admission.figures.opening).toBe(6);
  expect(said().length).toBeGreaterThan(slowly);
});

test("whoever stands in line too long is sent away, and so is whoever says nothing", async () => {
  const { admission, letIn, said, come } = await open({ openingMax: 1, openingFor: 60_000, waitingFor: 300 });
  await come("a");
  await expect.poll(said).toEqual(["a"]);
  const waiting = await come("b");
  const silent = await come("");
  await Promise.all([once(waiting, "close"), once(silent, "close")]);
  expect(admission.figures).toMatchObject({ waiting: 0, refused: 2, left: 0 });
  expect(admission.crowdedAt).toBeTypeOf("number");
  expect(letIn).toHaveLength(1);
});

test("the line has an end, and so has what is said in it", async () => {
  const { admission, said, come } = await open({ openingMax: 1, openingFor: 60_000, waitingMax: 1 });
  await come("a");
  await expect.poll(said).toEqual(["a"]);
  const second = await come("b");
  await expect.poll(() => admission.figures.waiting).toBe(1);
  await once(await come("c"), "close");
  expect(admission.figures).toMatchObject({ waiting: 1, refused: 1 });
  second.write(Buffer.alloc(20_000, 0x61));
  await once(second, "close");
  expect(admission.figures.waiting).toBe(0);
});

test("after its close nobody stands in line", async () => {
  const { admission, said, come } = await open({ openingMax: 1 });
  await come("a");
  await expect.poll(said).toEqual(["a"]);
  const second = await come("b");
  await expect.poll(() => admission.figures.waiting).toBe(1);
  admission.close();
  await once(second, "close");
  await once(await come("c"), "close");
  expect(said()).toEqual(["a"]);
});
