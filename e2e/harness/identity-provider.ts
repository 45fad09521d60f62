/** A real OpenID provider whose users sign in and agree to everything without a word. */
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";
import { freePorts } from "./ports.js";

export interface Account {
  readonly subject: string;
  readonly groups: readonly string[];
}

export interface IdentityProvider {
  readonly issuer: string;
  /** Who signs in from now on. */
  user: Account;
  stop(): Promise<void>;
}

export const REDIRECT_URI = "http://127.0.0.1:9/callback";

/** @param resources audiences for which it makes access tokens */
export async function startIdentityProvider(
  clients: readonly string[],
  resources: readonly string[],
  tokenSeconds = 600,
): Promise<IdentityProvider> {
  const [port = 0] = await freePorts(1);
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const accounts = new Map<string, Account>();
  const scope = "openid mainstay:read mainstay:plan mainstay:apply";
  const provider = new Provider(issuer, {
    clients: clients.map((client_id) => ({
      client_id,
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: [REDIRECT_URI],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      id_token_signed_response_alg: "ES256",
    })),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "ES256", use: "sig", kid: "one" }] },
    cookies: { keys: ["not a secret: this provider lives for one test"] },
    scopes: scope.split(" "),
    ttl: { AccessToken: tokenSeconds, Interaction: 600, Grant: 3_600, Session: 3_600, IdToken: 600 },
    findAccount: (_context, subject) => ({ accountId: subject, claims: () => ({ sub: subject }) }),
    extraTokenClaims: (_context, token) => {
      const subject = "accountId" in token ? token.accountId : undefined;
      const account = subject === undefined ? undefined : accounts.get(subject);
      return { groups: account?.groups ?? [] };
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => {
          if (!resources.includes(resource)) throw new Error(`unknown resource ${resource}`);
          return { scope, audience: resource, accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } };
        },
      },
    },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  });
  const running: IdentityProvider = {
    issuer,
    user: { subject: "nobody", groups: [] },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const callback = provider.callback();
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/interaction/") !== true) {
      callback(request, response);
      return;
    }
    const agree = async (): Promise<void> => {
      const { prompt, params } = await provider.interactionDetails(request, response);
      accounts.set(running.user.subject, running.user);
      if (prompt.name === "login") {
        await provider.interactionFinished(request, response, { login: { accountId: running.user.subject } });
        return;
      }
      const grant = new provider.Grant({
        accountId: running.user.subject,
        clientId: String(params["client_id"]),
      });
      const wanted = String(params["scope"] ?? "");
      grant.addOIDCScope(wanted);
      grant.addResourceScope(String(params["resource"]), wanted);
      const grantId = await grant.save();
      await provider.interactionFinished(request, response, { consent: { grantId } });
    };
    agree().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return running;
}
