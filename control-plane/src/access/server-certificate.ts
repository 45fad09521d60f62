/** The server certificate in use: held in memory only, made anew at each start and at two thirds of its life. */
import { type Duration, HOUR } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Clock } from "../platform/system.js";
import type { CertificateAuthority, ServerCertificate } from "./ca.js";

const LOOK_INTERVAL: Duration = HOUR;

export interface ServerCertificatesOptions {
  readonly authority: CertificateAuthority;
  /** Names and addresses besides localhost and the control plane's own name. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ServerCertificates {
  readonly loop: Loop;
  readonly #options: ServerCertificatesOptions;
  readonly #listeners = new Set<(certificate: ServerCertificate) => void>();
  #current: ServerCertificate;

  private constructor(options: ServerCertificatesOptions, first: ServerCertificate) {
    this.#options = options;
    this.#current = first;
    this.loop = new Loop({
      name: "server-certificate",
      interval: LOOK_INTERVAL,
      clock: options.clock,
      logger: options.logger,
      run: () => this.renewWhenDue(),
    });
  }

  static async open(options: ServerCertificatesOptions): Promise<ServerCertificates> {
    return new ServerCertificates(options, await options.authority.issueForServer(options.names));
  }

  current(): ServerCertificate {
    return this.#current;
  }

  /** `listener` is told of each new certificate, so that the doors swap it while they stay open. */
  onRenewed(listener: (certificate: ServerCertificate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async renewWhenDue(): Promise<void> {
    const { issuedAt, expiresAt } = this.#current;
    const due = issuedAt + ((expiresAt - issuedAt) * 2) / 3;
    if (this.#options.clock.now() < due) return;
    this.#current = await this.#options.authority.issueForServer(this.#options.names);
    this.#options.logger.info("the server certificate was made anew", { expiresAt: this.#current.expiresAt });
    for (const listener of this.#listeners) listener(this.#current);
  }
}
