/** What is on a host besides numbers. It comes from the host: hostile until cleaned and bounded here. */
import { cleanText } from "../../kernel/clean-text.js";
import { isLabelName, type Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { AgentDescription } from "./agent.js";

export const CERTIFICATES_MAX = 1_000;
export const SERVICES_MAX = 1_000;
export const PROCESSES_MAX = 100;
const NAMES_MAX = 100;
const TEXT_MAX = 512;
const NAME_MAX = 128;
const HASH_MAX = 128;
const LABELS_MAX = 32;
const ACTIONS_MAX = 64;

/** The last instant that four digits of a year can say; what a certificate claims beyond it counts as this. */
const INSTANT_MAX: Instant = 253_402_300_799_000;

/** A certificate found in a file or at a TLS endpoint. */
export interface FoundCertificate {
  readonly source: string;
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly serial: string;
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  readonly notBefore: Instant | undefined;
  readonly notAfter: Instant | undefined;
  /** 0 is the leaf. */
  readonly chainIndex: number;
  readonly verificationError: string;
  /** Set when the source could not be read at all. */
  readonly readError: string;
}

export interface ServiceState {
  readonly name: string;
  readonly activeState: string;
  readonly subState: string;
}

export interface TopProcess {
  readonly pid: number;
  readonly name: string;
  readonly cpuRatio: number;
  readonly residentBytes: number;
  readonly user: string;
}

export interface Inventory {
  readonly hash: string;
  readonly takenAt: Instant;
  readonly certificates: readonly FoundCertificate[];
  readonly services: readonly ServiceState[];
  readonly processes: readonly TopProcess[];
}

/** The inventory, fit to store and to show; what is beyond the bounds is left out. */
export function cleanInventory(found: Inventory, now: Instant): Inventory {
  return {
    hash: cleanText(found.hash, HASH_MAX),
    takenAt: Math.min(boundInstant(found.takenAt) ?? now, now),
    certificates: found.certificates.slice(0, CERTIFICATES_MAX).map(cleanCertificate),
    services: found.services.slice(0, SERVICES_MAX).map((service) => ({
      name: cleanText(service.name, NAME_MAX),
      activeState: cleanText(service.activeState, 32),
      subState: cleanText(service.subState, 32),
    })),
    processes: found.processes.slice(0, PROCESSES_MAX).map((process) => ({
      pid: process.pid,
      name: cleanText(process.name, NAME_MAX),
      cpuRatio: Number.isFinite(process.cpuRatio) ? process.cpuRatio : 0,
      residentBytes: Math.min(process.residentBytes, Number.MAX_SAFE_INTEGER),
      user: cleanText(process.user, NAME_MAX),
    })),
  };
}

function cleanCertificate(found: FoundCertificate): FoundCertificate {
  return {
    source: cleanText(found.source, TEXT_MAX),
    subject: cleanText(found.subject, TEXT_MAX),
    issuer: cleanText(found.issuer, TEXT_MAX),
    names: found.names.slice(0, NAMES_MAX).map((name) => cleanText(name, 255)),
    serial: cleanText(found.serial, NAME_MAX),
    fingerprint: cleanText(found.fingerprint, HASH_MAX),
    notBefore: boundInstant(found.notBefore),
    notAfter: boundInstant(found.notAfter),
    // The column is a signed 32-bit integer, the wire's is not signed.
    chainIndex: Math.min(found.chainIndex, 1_000),
    verificationError: cleanText(found.verificationError, TEXT_MAX),
    readError: cleanText(found.readError, TEXT_MAX),
  };
}

/** An instant between 1970 and 9999; undefined for what is no number. */
function boundInstant(at: Instant | undefined): Instant | undefined {
  if (at === undefined || Number.isNaN(at)) return undefined;
  return Math.min(Math.max(at, 0), INSTANT_MAX);
}

/** What an agent says of itself, fit to store and to show. Labels of another form than Prometheus' are left out. */
export function cleanDescription(said: AgentDescription): AgentDescription {
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(said.labels as Labels).slice(0, LABELS_MAX)) {
    if (isLabelName(name) && name.length <= NAME_MAX) labels[name] = cleanText(value, NAME_MAX);
  }
  return {
    agentVersion: cleanText(said.agentVersion, 64),
    hostname: cleanText(said.hostname, 253),
    os: cleanText(said.os, NAME_MAX),
    machineId: cleanText(said.machineId, NAME_MAX),
    bootId: cleanText(said.bootId, NAME_MAX),
    labels,
    actions: said.actions.slice(0, ACTIONS_MAX).map((action) => cleanText(action, 64)),
    policyHash: cleanText(said.policyHash, HASH_MAX),
  };
}
