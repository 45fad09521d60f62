/** Two agents' lines on loopback, with real certificates. */
import { createServer, type Socket } from "node:net";
import { toWire } from "@mainstay/proto/failover/wire";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import { afterEach, expect, test } from "vitest";
import { hostMonotonic, realSystem } from "../system.js";
import { FakeAuthority } from "../testing/fake-authority.js";
import { freePort } from "../testing/free-port.js";
import { Peers, peerName } from "./peers.js";

const open: Peers[] = [];
afterEach(() => {
  for (const peers of open.splice(0)) peers.stop();
});

const hello = toWire("main", "policy", { kind: "lease-request", epoch: 3, round: 7 });

/** A member's line; `as` is the name in its certificate. */
async function member(authority: FakeAuthority, as: string, at: number, other: string, otherAt: number) {
  const { keyPem, chainPem } = await authority.serverPair(peerName(as));
  const heard: { readonly from: string; readonly message: FailoverMessage }[] = [];
  const peers = new Peers({
    listen: { host: "127.0.0.1", port: at },
    peers: [
      {
        name: other,
        agent: { host: "127.0.0.1", port: otherAt },
        postgres: { host: "127.0.0.1", port: 1 },
      },
    ],
    timers: realSystem.timers,
    log: () => undefined,
    secure: () => ({ caPem: authority.pem, privateKeyPem: keyPem, certificatePem: chainPem }),
    received: (from, message) => heard.push({ from, message }),
  });
  open.push(peers);
  peers.open();
  return { peers, heard };
}

async function until(holds: () => boolean): Promise<void> {
  const by = hostMonotonic() + 20_000;
  while (!holds()) {
    if (hostMonotonic() > by) throw new Error("not within 20 s");
    await realSystem.timers.sleep(20);
  }
}

test("members hear each other under the names in their certificates, also after one was away", async () => {
  const authority = await FakeAuthority.make();
  const [one, two] = [await freePort(), await freePort()];
  const first = await member(authority, "db-1", one, "db-2", two);
  const second = await member(authority, "db-2", two, "db-1", one);
  await until(() => first.peers.send("db-2", hello) && second.peers.send("db-1", hello));
  await until(() => first.heard.length > 0 && second.heard.length > 0);
  expect(second.heard[0]).toMatchObject({ from: "db-1", message: { cluster: "main" } });
  expect(first.heard[0]?.from).toBe("db-2");
  second.peers.stop();
  await until(() => !first.peers.send("db-2", hello));
  const again = await member(authority, "db-2", two, "db-1", one);
  await until(() => first.peers.send("db-2", hello));
  await until(() => again.heard.length > 0);
});

test("a line that nobody answers is given up and called anew, for TCP would ask ever less often", async () => {
  const authority = await FakeAuthority.make();
  const sockets: Socket[] = [];
  // It takes the call and says nothing, as what was cut in the middle does.
  const silent = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  const at = await freePort();
  await new Promise<void>((resolve) => silent.listen(at, "127.0.0.1", resolve));
  try {
    const { peers } = await member(authority, "db-1", await freePort(), "db-2", at);
    await until(() => sockets.length >= 2);
    expect(peers.send("db-2", hello)).toBe(false);
  } finally {
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});

test("a node that is no member, and one of another house, are heard by nobody", async () => {
  const authority = await FakeAuthority.make();
  const [one, two] = [await freePort(), await freePort()];
  const first = await member(authority, "db-1", one, "db-2", two);
  const stranger = await member(authority, "web-1", await freePort(), "db-1", one);
  const elsewhere = await member(await FakeAuthority.make(), "db-2", await freePort(), "db-1", one);
  // A member that is let in shows that the others had the time.
  const second = await member(authority, "db-2", two, "db-1", one);
  await until(() => second.peers.send("db-1", hello));
  await until(() => first.heard.length > 0);
  stranger.peers.send("db-1", hello);
  expect(elsewhere.peers.send("db-1", hello)).toBe(false);
  await realSystem.timers.sleep(200);
  expect(first.heard.map(({ from }) => from)).toEqual(first.heard.map(() => "db-2"));
});
