/**
 * The conformance suite's own endpoint: its fixtures behind the same door and the same protocol code as the product's,
 * on a port of its own on the loopback. It asks for no token, for the suite can send none, and reaches no control plane.
 */
import { InMemoryServerEventBus } from "@modelcontextprotocol/server";
import { Authenticator } from "../access/authenticate.js";
import type { Principal } from "../access/principal.js";
import { createApp } from "../app.module.js";
import { HttpDoor } from "../edge/http-door.js";
import { messageOf, OpsError } from "../errors.js";
import type { Logger } from "../logger.js";
import { createMeter } from "../metrics.js";
import { HttpLegs } from "../protocol/http-legs.js";
import type { System } from "../system.js";
import { READ_ONLY } from "../tools/offer.js";
import { createFixtureServers } from "./fixtures.js";

export interface ConformanceParts {
  /** 0: any free one. */
  readonly port: number;
  readonly logger: Logger;
  readonly system: System;
  readonly version: string;
}

const GUEST: Principal = { name: "conformance", roles: [], tokenId: "", expiresAt: undefined };
const BODY_BYTES_MAX = 1_048_576;
const LISTENERS_MAX = 64;

export async function startConformance({
  port,
  logger,
  system,
  version,
}: ConformanceParts): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const { clock, hex } = system;
  const meter = createMeter(clock, { ready: () => true, loopLagMs: () => 0 }, false);
  const nobody = new Authenticator(async () => {
    throw new OpsError("UNAUTHENTICATED", "nobody is known here");
  }, clock);
  const door = new HttpDoor(nobody, meter, { hosts: [], origins: [] }, { principal: GUEST, token: "" });
  const onError = (error: Error): void =>
    logger.debug("the protocol refused a request", { because: messageOf(error) });
  const bus = new InMemoryServerEventBus(onError);
  const legs = new HttpLegs({
    factory: await createFixtureServers(system, bus, version),
    bus,
    clock,
    hex,
    bodyBytesMax: BODY_BYTES_MAX,
    listenersMax: LISTENERS_MAX,
    onError,
  });
  const endpoint = { legs, bodyBytesMax: BODY_BYTES_MAX, offer: READ_ONLY, toolNames: new Set<string>() };
  const app = await createApp({ door, endpoint }, undefined);
  const bound = await app.listen(port, "127.0.0.1");
  return {
    port: bound,
    async stop() {
      await legs.close();
      app.cut();
      await app.close();
    },
  };
}
