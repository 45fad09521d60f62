/** Where the control plane is and who calls. */
import { join } from "node:path";
import type { Context } from "./contexts.js";
import type { Environment, Place } from "./place.js";

export interface Settings {
  /** `host:port` of the operators' gRPC door. */
  readonly address: string;
  /** The token is in the first of these that there is. */
  readonly tokenFiles: readonly string[];
  /** PEM of the authority that signed the door's certificate; off loopback the door speaks TLS. */
  readonly caFile: string | undefined;
}

export const SETTINGS_HELP = `  --context NAME        a control plane by its name; see mainstay context list [MAINSTAY_CONTEXT]
  --address HOST:PORT   the operators' gRPC door (default 127.0.0.1:7481) [MAINSTAY_ADDRESS]
  --token-file FILE     who calls (default: what the local control plane made) [MAINSTAY_TOKEN_FILE]
  --ca-file FILE        the authority of the door's certificate; with it the call is made over TLS [MAINSTAY_CA_FILE]`;

/** Flags win over the environment, and both over the context. */
export function readSettings(
  flags: { readonly address?: string; readonly "token-file"?: string; readonly "ca-file"?: string },
  env: Environment,
  context: Pick<Context, "address" | "tokenFile" | "caFile">,
  place: Place,
): Settings {
  const given = flags["token-file"] ?? (env["MAINSTAY_TOKEN_FILE"] || context.tokenFile);
  return {
    address: flags.address ?? (env["MAINSTAY_ADDRESS"] || (context.address ?? "127.0.0.1:7481")),
    tokenFiles: given === undefined ? stateDirectories(env, place).map(tokenIn) : [given],
    caFile: flags["ca-file"] ?? (env["MAINSTAY_CA_FILE"] || context.caFile),
  };
}

/** Where a control plane on this host keeps its state: as it was told, else beside us, else where `npm start` puts it. */
function stateDirectories(env: Environment, { workingDirectory, home }: Place): readonly string[] {
  const told = env["MAINSTAY_STATE"];
  if (told !== undefined && told !== "") return [told];
  const ofUser = join(env["XDG_STATE_HOME"] || join(home, ".local", "state"), "mainstay");
  return [join(workingDirectory, ".mainstay"), "/var/lib/mainstay", ofUser];
}

const tokenIn = (state: string): string => join(state, "operator-token");
