/** The door of access: who may speak, what they may do, and the keys by which the house is known. */
import type { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import type { McpService } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import type { RequestStatesService } from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { type Duration, HOUR } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Logger } from "../platform/logger.js";
import type { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { Secrets } from "../platform/vault/secrets.js";
import type { Transit } from "../platform/vault/transit.js";
import { accessApi } from "./access.api.js";
import { Authenticator } from "./authenticate.js";
import { CertificateAuthority } from "./ca.js";
import { fileKeyStore, vaultKeyStore } from "./key-store.js";
import { ensureLocalTokens, type LocalTokens } from "./local-token.js";
import { mcpApi } from "./mcp.api.js";
import { McpSwitchWatch } from "./mcp-switch.loop.js";
import { OrderSigner, type SignsOrders } from "./order-signer.js";
import { writePrivateFile } from "./private-file.js";
import { requestStatesApi } from "./request-states.api.js";
import { ServerCertificates } from "./server-certificate.js";
import { TransitSigner } from "./transit-signer.js";

export { Authenticator } from "./authenticate.js";
export {
  CertificateAuthority,
  CONTROL_PLANE_NAME,
  type IssuedCertificate,
  type ServerCertificate,
} from "./ca.js";
export type { LocalTokens } from "./local-token.js";
export { OrderSigner, type PublicOrderKey, type Signature, type SignsOrders } from "./order-signer.js";
export { ServerCertificates } from "./server-certificate.js";

export interface AccessDeps {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  /** An existing directory of the control plane's own, mode 0700. */
  readonly stateDirectory: string;
  /** Vault, when it is configured: the keys are then kept there and not in files. */
  readonly secrets: Pick<Secrets, "read" | "create"> | undefined;
  /** Who signs orders, when it is not a key that is kept there: a key in Vault's transit engine. */
  readonly transit?: { readonly engine: Transit; readonly key: string } | undefined;
  /** Names and addresses for the server certificate besides localhost. */
  readonly serverNames: readonly string[];
  /** How long an agent's certificate lives, in hours. @default 24 */
  readonly certificateHours?: number;
}

export interface Access {
  readonly authenticator: Authenticator;
  readonly authority: CertificateAuthority;
  /** Start and stop `serverCertificates.loop` with the house's other loops. */
  readonly serverCertificates: ServerCertificates;
  readonly orderSigner: SignsOrders;
  /** Start and stop it with the house's other loops; undefined when the key that signs orders stays as it is. */
  readonly orderKeyLoop: Loop | undefined;
  /** Start and stop `mcpSwitch.loop` with the house's other loops. */
  readonly mcpSwitch: McpSwitchWatch;
  readonly api: ServiceImplementation<typeof AccessService, CallContext>;
  readonly mcpApi: ServiceImplementation<typeof McpService, CallContext>;
  readonly requestStatesApi: ServiceImplementation<typeof RequestStatesService, CallContext>;
  /** The authority's certificate, PEM, for clients to trust. */
  readonly caFile: string;
  /** The local user's tokens, by what they are for. */
  readonly localTokens: LocalTokens;
}

/** Opens the keys, makes at the first start what is missing, and writes the local user's token. */
export async function openAccess(deps: AccessDeps): Promise<Access> {
  const { database, system, logger, stateDirectory, secrets } = deps;
  const store = secrets === undefined ? fileKeyStore(stateDirectory, system.draws) : vaultKeyStore(secrets);
  const clientLifetime: Duration = (deps.certificateHours ?? 24) * HOUR;
  const authority = await CertificateAuthority.open({ store, system, clientLifetime });
  const transitSigner =
    deps.transit &&
    (await TransitSigner.open({
      ...{ transit: deps.transit.engine, key: deps.transit.key, clock: system.clock, logger },
      former: await OrderSigner.former(store),
    }));
  const orderSigner = transitSigner ?? (await OrderSigner.open(store));
  const serverCertificates = await ServerCertificates.open({
    authority,
    names: deps.serverNames,
    clock: system.clock,
    logger,
  });
  const authenticator = new Authenticator({ database, clock: system.clock, logger });
  const caFile = `${stateDirectory}/ca.pem`;
  await writePrivateFile(caFile, authority.certificatePem, system.draws.hex(8), 0o644);
  const localTokens = await ensureLocalTokens({ database, system, authenticator, stateDir: stateDirectory });
  const api = accessApi({ database, system, authenticator });
  const mcpSwitch = new McpSwitchWatch(database, system.clock, logger);
  // Known before anyone is let in.
  await mcpSwitch.look();
  return {
    mcpSwitch,
    orderKeyLoop: transitSigner?.loop,
    mcpApi: mcpApi({ database, system, switchWatch: mcpSwitch }),
    ...{ authenticator, authority, serverCertificates, orderSigner, api, caFile, localTokens },
    requestStatesApi: requestStatesApi({ database, system }),
  };
}
