/** What agents say, as words of the fleet. Nothing is cleaned here; the fleet's domain does that. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Hello, Inventory as WireInventory } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { AgentDescription } from "../../fleet/domain/agent.js";
import type { Inventory } from "../../fleet/domain/inventory.js";
import type { Instant } from "../../kernel/time.js";

export function toDescription(hello: Hello): AgentDescription {
  return {
    agentVersion: hello.agentVersion,
    hostname: hello.hostname,
    os: hello.os,
    machineId: hello.machineId,
    bootId: hello.bootId,
    labels: hello.labels,
    actions: hello.actions,
    policyHash: hello.policyHash,
  };
}

export function toInventory(wire: WireInventory): Inventory {
  return {
    hash: wire.hash,
    takenAt: toInstant(wire.takenAt) ?? Number.NaN,
    certificates: wire.certificates.map((certificate) => ({
      source: certificate.source,
      subject: certificate.subject,
      issuer: certificate.issuer,
      names: certificate.names,
      serial: certificate.serial,
      fingerprint: certificate.fingerprint,
      notBefore: toInstant(certificate.notBefore),
      notAfter: toInstant(certificate.notAfter),
      chainIndex: certificate.chainIndex,
      verificationError: certificate.verificationError,
      readError: certificate.readError,
    })),
    services: wire.services.map(({ name, activeState, subState }) => ({ name, activeState, subState })),
    processes: wire.processes.map(({ pid, name, cpuRatio, residentBytes, user }) => ({
      pid,
      name,
      cpuRatio,
      residentBytes: Number(residentBytes),
      user,
    })),
  };
}

/** The seconds of a wire timestamp may be anything; the domain bounds them. */
function toInstant(at: Timestamp | undefined): Instant | undefined {
  return at === undefined ? undefined : Number(at.seconds) * 1_000 + Math.floor(at.nanos / 1_000_000);
}
