import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Issued, issue } from "../../collect/testing/authority.js";
import { actionContext } from "../../testing/action-context.js";
import { planned } from "../../testing/planned.js";
import { doneAndUndone } from "../../testing/undo.js";
import { allow } from "../allow.js";
import { servedFingerprint } from "./certificate-pair.js";
import { renewCertificate } from "./renew-certificate.js";

const order = { action: "renew-certificate", certificate: "web", restore: undefined } as const;

let home = "";
let server: Server;
let watching: NodeJS.Timeout | undefined;
let old: Issued;
let fresh: Issued;
const at = (name: string): string => join(home, name);
const put = (stem: string, pair: Issued, key = pair): void => {
  writeFileSync(at(`${stem}.crt`), pair.certificatePem, { mode: 0o644 });
  writeFileSync(at(`${stem}.key`), key.keyPem, { mode: 0o640 });
};
const read = (name: string): string => readFileSync(at(name), "utf8");

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "mainstay-renew-"));
  const now = Date.now();
  old = await issue({ subject: "CN=web.example", now, untilDays: 5 });
  fresh = await issue({ subject: "CN=web.example", now, untilDays: 90 });
  put("web", old);
  put("new", fresh);
  writeFileSync(
    at("renew.sh"),
    `cp ${at("new.key")} ${at("web.key")}\ncp ${at("new.crt")} ${at("web.crt")}\n`,
  );
  writeFileSync(at("reload.sh"), `echo x >> ${at("reloads")}\n`);
  writeFileSync(at("reloads"), "");
  const secrets = () => ({ cert: read("web.crt"), key: read("web.key") });
  server = createServer(secrets(), (socket) => socket.end());
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  let reloads = 0;
  // The server takes its certificate up at a reload, as servers do.
  watching = setInterval(() => {
    const { size } = statSync(at("reloads"));
    if (size === reloads) return;
    reloads = size;
    server.setSecureContext(secrets());
  }, 20);
});
afterEach(() => {
  clearInterval(watching);
  server.close();
  rmSync(home, { recursive: true });
});

const served = () => ({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
const here = (more: object = {}) =>
  actionContext({
    renewCertificate: {
      certificates: [
        {
          name: "web",
          certFile: at("web.crt"),
          keyFile: at("web.key"),
          renew: ["/bin/sh", at("renew.sh")],
          reload: ["/bin/sh", at("reload.sh")],
          served: { ...served(), serverName: "web.example" },
          keepIn: at("kept"),
          ...more,
        },
      ],
    },
  }).context;
const seen = () => servedFingerprint({ ...served(), serverName: "web.example" });
const hexOf = ({ der }: Issued): Promise<string> =>
  crypto.subtle.digest("SHA-256", der).then((digest) => Buffer.from(digest).toString("hex"));

describe("renewing a certificate", () => {
  test("the new one is in place and served, and the old one is kept for this user only", async () => {
    const context = here();
    const plan = await planned(renewCertificate, order, context);
    expect(plan.inverse).toEqual({
      action: "renew-certificate",
      arguments: { certificate: "web", restore: await hexOf(old) },
    });
    expect(JSON.stringify(plan)).not.toContain("PRIVATE");
    expect(read("web.crt")).toBe(old.certificatePem);
    const done = await renewCertificate.run(order, plan, context);
    expect(done.succeeded, done.summary).toBe(true);
    expect(read("web.crt")).toBe(fresh.certificatePem);
    expect(await seen()).toBe(await hexOf(fresh));
    for (const name of readdirSync(at("kept")))
      expect(statSync(join(at("kept"), name)).mode & 0o777).toBe(0o600);
    expect(await renewCertificate.afterInterruption(order, plan, context)).toContain("a new one");
    expect((await renewCertificate.run(order, plan, context)).summary).toContain("nothing was done");
  });

  test("renewing and putting back is the same state, files, modes and all", async () => {
    const states = await doneAndUndone("renew-certificate", { certificate: "web" }, here());
    expect(states.after).toBe(states.before);
    expect(states.between).not.toBe(states.before);
    expect(read("web.crt")).toBe(old.certificatePem);
    expect(read("web.key")).toBe(old.keyPem);
    expect(statSync(at("web.key")).mode & 0o777).toBe(0o640);
    expect(await seen()).toBe(await hexOf(old));
  });

  test.each([
    {
      what: "a program that fails",
      prepare: () => writeFileSync(at("renew.sh"), "exit 3\n"),
      says: "exit code 3",
    },
    {
      what: "a program that does nothing",
      prepare: () => writeFileSync(at("renew.sh"), ""),
      says: "as it was",
    },
    { what: "a key of another certificate", prepare: () => put("new", fresh, old), says: "not for this key" },
    {
      what: "a file that is no certificate",
      prepare: () => writeFileSync(at("new.crt"), "x"),
      says: "put back",
    },
    {
      what: "a reload that fails",
      prepare: () => writeFileSync(at("reload.sh"), "exit 1\n"),
      says: "exit code 1",
    },
  ])("$what leaves the old one in place", async ({ prepare, says }) => {
    prepare();
    const context = here();
    const done = await renewCertificate.run(order, await planned(renewCertificate, order, context), context);
    expect(done.succeeded).toBe(false);
    expect(done.summary).toContain(says);
    expect(read("web.crt")).toBe(old.certificatePem);
    expect(read("web.key")).toBe(old.keyPem);
    expect(JSON.stringify(done)).not.toContain("PRIVATE");
  });

  test("one that ends no later, and one that is not served, is taken back", async () => {
    put("new", await issue({ subject: "CN=web.example", now: Date.now(), untilDays: 3 }));
    const sooner = here();
    const first = await renewCertificate.run(order, await planned(renewCertificate, order, sooner), sooner);
    expect(first.summary).toMatch(/not later than the old one; the old one was put back$/);
    put("new", fresh);
    const unread = here({ reload: ["/bin/true"] });
    const second = await renewCertificate.run(order, await planned(renewCertificate, order, unread), unread);
    expect(second.summary).toMatch(/serves another certificate; the old one was put back$/);
    expect(read("web.crt")).toBe(old.certificatePem);
  });

  test("what was never kept cannot be put back, and a missing file cannot be planned", async () => {
    const context = here();
    expect(await renewCertificate.preview({ ...order, restore: "a".repeat(64) }, context)).toMatchObject({
      kind: "impossible",
    });
    rmSync(at("web.key"));
    expect(await renewCertificate.preview(order, context)).toMatchObject({ kind: "impossible" });
  });

  test.each([
    [{ certificate: "web" }, "allow"],
    [{ certificate: "other" }, "deny"],
    [{ certificate: "web", restore: "../../etc/shadow" }, "deny"],
    [{ certificate: "web", renew: ["/bin/sh"] }, "deny"],
  ])("the policy's word on %j is %s", (asked, verdict) => {
    expect(allow(here().policy, "renew-certificate", JSON.stringify(asked)).kind).toBe(verdict);
    expect(allow(actionContext({}).context.policy, "renew-certificate", JSON.stringify(asked)).kind).toBe(
      "deny",
    );
  });
});
