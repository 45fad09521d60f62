/** Trades a join token for an identity. The token pins the authority, so nothing is sent to one who is not it. */
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { EnrollRequestSchema, type EnrollResponse } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { type Address, addressText, isLoopback } from "../config.js";
import { callEnroll, openClient, serverName } from "../link/channel.js";
import { reasonOf } from "../log.js";
import { certificateRequest, newPrivateKeyPem } from "./certificate-request.js";
import { certificateHash, faultOfIdentity, type Identity, saveIdentity } from "./identity.js";
import type { JoinToken } from "./join-token.js";
import { readIfThere, writePrivateFile } from "./state-files.js";

/** What enrolling needs. */
export interface EnrollFacts {
  readonly at: Address;
  readonly token: JoinToken;
  readonly nodeName: string;
  readonly hostname: string;
  readonly agentVersion: string;
  /** Where the identity goes, and the key while the request is under way. */
  readonly identityFile: string;
  readonly keyFile: string;
  readonly timeoutMs: number;
  now(): number;
}

/** What came of it. `mayRetry` is false when only a person can help. */
export type Enrolled = { readonly kind: "enrolled"; readonly identity: Identity } | Failure;

interface Failure {
  readonly kind: "failed";
  readonly because: string;
  readonly mayRetry: boolean;
}

/**
 * Enrols and stores the identity. The key is stored before it is used: when the agent dies between the control plane's
 * answer and the storing of it, the next try asks with the same key.
 */
export async function enroll(facts: EnrollFacts): Promise<Enrolled> {
  const privateKeyPem = readIfThere(facts.keyFile) ?? newPrivateKeyPem();
  writePrivateFile(facts.keyFile, privateKeyPem);
  const trust = await trustFor(facts.at, facts.token, facts.timeoutMs);
  if (trust.kind === "failed") return trust;
  const answer = await askForIdentity(facts, privateKeyPem, trust.caPem);
  if (answer.kind === "failed") return answer;
  const identity: Identity = {
    nodeId: answer.response.nodeId,
    privateKeyPem,
    certificatePem: answer.response.certificatePem,
    caPem: answer.response.caPem,
    orderKeys: answer.response.orderKeys.map((key) => ({
      keyId: key.keyId,
      spki: Buffer.from(key.publicKey).toString("base64"),
    })),
    receivedAt: facts.now(),
  };
  const fault = faultOfIdentity(identity) ?? pinFault(identity.caPem, facts.token);
  if (fault !== undefined) {
    return {
      kind: "failed",
      because: `the identity from ${addressText(facts.at)} is not sound: ${fault}`,
      mayRetry: false,
    };
  }
  saveIdentity(facts.identityFile, identity);
  rmSync(facts.keyFile, { force: true });
  return { kind: "enrolled", identity };
}

function pinFault(caPem: string, token: JoinToken): string | undefined {
  return certificateHash(caPem) === token.authorityHash
    ? undefined
    : "its authority is not the one that the join token names";
}

type Trust = { readonly kind: "trust"; readonly caPem: string | undefined } | Failure;

/**
 * Finds the certificate authority to trust at an address. Over TLS: the one in the server's chain whose hash the token
 * names; the real connection is then verified against it and nothing else. Plaintext is for loopback only.
 */
async function trustFor(at: Address, token: JoinToken, timeoutMs: number): Promise<Trust> {
  const seen = await peerChain(at, timeoutMs);
  if (seen.kind === "chain") {
    const authority = seen.chain.find(
      (der) => createHash("sha256").update(der).digest("hex") === token.authorityHash,
    );
    if (authority !== undefined) return { kind: "trust", caPem: pemOf(authority) };
    const because = `${addressText(at)} does not show the certificate authority that the join token names (it showed ${seen.chain.length} certificates): refused, the token was not sent`;
    return { kind: "failed", because, mayRetry: false };
  }
  if (seen.kind === "not-tls" && isLoopback(at.host)) return { kind: "trust", caPem: undefined };
  const because =
    seen.kind === "not-tls"
      ? `${addressText(at)} does not speak TLS; a join token goes over plaintext to this machine itself only`
      : `${addressText(at)} cannot be reached: ${seen.because}`;
  return { kind: "failed", because, mayRetry: true };
}

type Peer =
  | { readonly kind: "chain"; readonly chain: readonly Buffer[] }
  | { readonly kind: "not-tls" }
  | { readonly kind: "unreachable"; readonly because: string };

function peerChain(at: Address, timeoutMs: number): Promise<Peer> {
  return new Promise((resolve) => {
    let connected = false;
    // Verification is ours, by hash: nothing but the handshake happens on this connection.
    const socket = connect({
      host: at.host,
      port: at.port,
      servername: serverName,
      ALPNProtocols: ["h2"],
      rejectUnauthorized: false,
      timeout: timeoutMs,
    });
    const end = (peer: Peer): void => {
      socket.destroy();
      resolve(peer);
    };
    socket.once("connect", () => {
      connected = true;
    });
    socket.once("secureConnect", () =>
      end({ kind: "chain", chain: chainOf(socket.getPeerCertificate(true)) }),
    );
    socket.once("timeout", () =>
      end(connected ? { kind: "not-tls" } : { kind: "unreachable", because: "no answer in time" }),
    );
    socket.once("error", (error) =>
      end(connected ? { kind: "not-tls" } : { kind: "unreachable", because: error.message }),
    );
    socket.once("close", () => end({ kind: "not-tls" }));
  });
}

function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = leaf;
  while (certificate?.raw !== undefined && chain.length < 10) {
    chain.push(certificate.raw);
    if (certificate.issuerCertificate === certificate) break;
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

function pemOf(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

async function askForIdentity(
  facts: EnrollFacts,
  privateKeyPem: string,
  caPem: string | undefined,
): Promise<{ readonly kind: "answered"; readonly response: EnrollResponse } | Failure> {
  const client = openClient(facts.at, caPem === undefined ? undefined : { caPem });
  const request = create(EnrollRequestSchema, {
    joinToken: facts.token.text,
    csr: certificateRequest(privateKeyPem, facts.nodeName),
    nodeName: facts.nodeName,
    agentVersion: facts.agentVersion,
    hostname: facts.hostname,
  });
  try {
    return { kind: "answered", response: await callEnroll(client, request, facts.now() + facts.timeoutMs) };
  } catch (error) {
    return refusal(error, addressText(facts.at));
  } finally {
    client.close();
  }
}

/** What the control plane's refusal means to the person who reads it. */
function refusal(error: unknown, at: string): Failure {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const said = reasonOf(error);
  switch (code) {
    case status.UNAUTHENTICATED:
      return failed(
        `${at} refused the join token (unknown, used or expired): make a new one. It said: ${said}`,
        false,
      );
    case status.ALREADY_EXISTS:
      return failed(
        `${at} has a live node of this name with another key: choose another nodeName or revoke the old one. It said: ${said}`,
        false,
      );
    case status.INVALID_ARGUMENT:
      return failed(`${at} did not accept the request: ${said}`, false);
    default:
      return failed(`${at} did not answer the enrolment: ${said}`, true);
  }
}

function failed(because: string, mayRetry: boolean): Failure {
  return { kind: "failed", because, mayRetry };
}
