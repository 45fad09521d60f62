import type { Repository } from "../backups/repository.js";
import type { LabelSet } from "./series.js";

/** What is collected and how often: vocabulary. `settings.ts` makes it from a configuration. */

/** Files to look for certificates in. */
export interface CertificateFiles {
  /** `*`, `?` and `**` as in a shell; absolute. */
  readonly glob: string;
  /** A file with the password of PKCS#12 files. */
  readonly passwordFile: string | undefined;
}

/** A TLS endpoint to look at. */
export interface TlsEndpoint {
  readonly host: string;
  readonly port: number;
  /** The name asked for (SNI) and expected in the certificate; default: the host. */
  readonly serverName: string;
  /** PEM file of authorities to trust instead of the public ones. */
  readonly caFile: string | undefined;
}

/** A local Prometheus endpoint to scrape. */
export interface ScrapeTarget {
  readonly job: string;
  readonly url: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly bearerTokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly serverName: string | undefined;
  /** Labels for all its series. `instance` may be among them; by default it is host:port, see `targetLabels`. */
  readonly labels: LabelSet;
  readonly sampleLimit: number;
  readonly bodyBytesMax: number;
}

/** Something that is asked from here whether it serves, as one vantage of several. */
export interface HttpProbe {
  /** The label `probe` of its series: the same at each vantage. */
  readonly name: string;
  readonly url: string;
  /** Default 30,000 ms. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly bearerTokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly serverName: string | undefined;
}

/** A process that should run: found by its pid file, or by a text in its command line. */
export interface DeclaredProcess {
  readonly name: string;
  readonly find:
    | { readonly kind: "pid-file"; readonly path: string }
    | { readonly kind: "command"; readonly contains: string };
}

/** The `collect` part of the agent's configuration, whole and checked. */
export interface CollectSettings {
  /** How often the host is read. Default 15,000 ms. */
  readonly intervalMs: number;
  readonly roots: { readonly proc: string; readonly sys: string };
  readonly filesystem: {
    readonly mountPointsExclude: RegExp;
    readonly fsTypesExclude: RegExp;
    readonly mountsMax: number;
    /** How long a network filesystem may take to say its size. Default 2,000 ms. */
    readonly timeoutMs: number;
  };
  readonly network: { readonly exclude: RegExp | undefined; readonly devicesMax: number };
  readonly disk: { readonly exclude: RegExp | undefined; readonly devicesMax: number };
  /** Repositories of backups that are only read; those that may be restored from are read as well. */
  readonly backups: { readonly repositories: readonly Repository[]; readonly intervalMs: number };
  readonly certificates: {
    /** Default 60,000 ms. Files are read again only when they changed. */
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly files: readonly CertificateFiles[];
    readonly endpoints: readonly TlsEndpoint[];
  };
  readonly services: { readonly units: readonly string[]; readonly intervalMs: number };
  readonly processes: {
    readonly declared: readonly DeclaredProcess[];
    /** How many of the top by CPU and by memory the inventory names. Default 10, 0 for none. */
    readonly topCount: number;
    readonly intervalMs: number;
  };
  readonly scrape: readonly ScrapeTarget[];
  readonly probes: readonly HttpProbe[];
}
