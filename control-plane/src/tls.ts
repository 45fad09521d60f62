/** Which certificates the doors show: the house's own, or for operators one that was configured. */
import { readFile } from "node:fs/promises";
import type { Access } from "./access/access.module.js";
import type { TlsIdentity } from "./edge/grpc-server.js";
import { messageOf, OpsError } from "./kernel/errors.js";
import type { Config, ListenAddress } from "./platform/config.js";

export interface Identities {
  /** What operators see over TLS: the configured certificate, else the house's. */
  readonly operator: TlsIdentity;
  /** The house's server certificate as it is now. */
  house(): TlsIdentity;
  /** The same, asking for a client certificate of the house's authority. */
  agents(): Required<TlsIdentity>;
}

/** Throws FAILED_PRECONDITION when a configured file cannot be read. */
export async function openIdentities(config: Config, access: Access): Promise<Identities> {
  const house = (): TlsIdentity => {
    const { chainPem, keyPem } = access.serverCertificates.current();
    return { certificatePem: chainPem, keyPem };
  };
  const agents = (): Required<TlsIdentity> => ({ ...house(), clientCaPem: access.authority.certificatePem });
  if (config.tls === undefined) return { operator: house(), house, agents };
  const { certificateFile, keyFile } = config.tls;
  const [certificatePem, keyPem] = await Promise.all([read(certificateFile), read(keyFile)]);
  return { operator: { certificatePem, keyPem }, house, agents };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new OpsError("FAILED_PRECONDITION", `TLS: ${messageOf(cause)}`, { path }, { cause });
  }
}

/** Whether what is said there stays on this host, so that it may be said in the clear. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
