import type { CertificateFiles, CollectSettings, TlsEndpoint } from "../collect-settings.js";
import { Columns } from "../columns.js";
import type { CollectGroup } from "../group.js";
import type { CollectClock } from "../ports.js";
import type { FoundCertificate, Reading } from "../reading.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import { type CertificateFile, CertificateFileSource } from "./certificate-files.js";
import { chainExpiryMs, earliestExpiryMs } from "./describe-certificate.js";
import { type TlsProbe, TlsProber, targetOf } from "./tls-probe.js";

/** How many endpoints are looked at together. */
const PROBES_AT_ONCE = 8;
const MS_PER_SECOND = 1_000;

interface TargetSeries {
  readonly success: Series;
  readonly duration: Series;
  readonly earliest: Series;
  readonly chain: Series;
}

/**
 * Certificates of files and TLS endpoints: when they end, under blackbox_exporter's names with `job="certificates"`. A
 * target that cannot be read or does not verify has `probe_success` 0; when it still showed certificates, the times
 * are there too.
 */
export class CertificateGroup implements CollectGroup {
  readonly name = "certificates";
  readonly intervalMs: number;
  readonly #files: CertificateFileSource;
  readonly #endpoints: readonly TlsEndpoint[];
  readonly #prober: TlsProber;
  readonly #columns = new Columns();
  readonly #common: LabelSet;
  readonly #found: (certificates: readonly FoundCertificate[]) => void;
  #series = new Map<string, TargetSeries>();

  constructor(
    settings: CollectSettings["certificates"],
    always: { readonly files: readonly string[]; readonly endpoints: readonly TlsEndpoint[] },
    common: LabelSet,
    clock: CollectClock,
    found: (certificates: readonly FoundCertificate[]) => void,
  ) {
    const named = always.files.map((glob): CertificateFiles => ({ glob, passwordFile: undefined }));
    this.intervalMs = settings.intervalMs;
    this.#files = new CertificateFileSource([...named, ...settings.files]);
    const endpoints = [...settings.endpoints, ...always.endpoints];
    // One a target: those that are always in win.
    this.#endpoints = [...new Map(endpoints.map((endpoint) => [targetOf(endpoint), endpoint])).values()];
    this.#prober = new TlsProber(clock, settings.timeoutMs);
    this.#common = { ...common, job: "certificates" };
    this.#found = found;
  }

  async read(timestampMs: number): Promise<Reading[]> {
    const [files, probes] = await Promise.all([this.#files.look(), this.#probeAll()]);
    const seen = new Map<string, TargetSeries>();
    const seriesOf = (target: string): TargetSeries => {
      const series = this.#series.get(target) ?? targetSeries(target, this.#common);
      seen.set(target, series);
      return series;
    };
    for (const file of files) this.#putFile(file, seriesOf(`file:${file.path}`));
    for (const probe of probes) this.#putProbe(probe, seriesOf(probe.target));
    this.#series = seen;
    this.#found([...files, ...probes].flatMap(({ certificates }) => certificates));
    return this.#columns.finish(timestampMs);
  }

  close(): void {}

  #putFile(file: CertificateFile, series: TargetSeries): void {
    this.#columns.put(series.success, file.failed ? 0 : 1);
    this.#putTime(series.earliest, earliestExpiryMs(file.certificates));
  }

  #putProbe(probe: TlsProbe, series: TargetSeries): void {
    this.#columns.put(series.success, probe.success ? 1 : 0);
    this.#columns.put(series.duration, probe.seconds);
    this.#putTime(series.earliest, earliestExpiryMs(probe.certificates));
    if (probe.success) this.#putTime(series.chain, chainExpiryMs(probe.certificates));
  }

  #putTime(series: Series, ms: number | undefined): void {
    if (ms !== undefined) this.#columns.put(series, ms / MS_PER_SECOND);
  }

  async #probeAll(): Promise<readonly TlsProbe[]> {
    const probes: TlsProbe[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < this.#endpoints.length) {
        const i = next++;
        probes[i] = await this.#prober.probe(this.#endpoints[i] as TlsEndpoint);
      }
    };
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, worker));
    return probes;
  }
}

function targetSeries(target: string, common: LabelSet): TargetSeries {
  const named = (name: string): Series => makeSeries(name, { target }, common);
  return {
    success: named("probe_success"),
    duration: named("probe_duration_seconds"),
    earliest: named("probe_ssl_earliest_cert_expiry"),
    chain: named("probe_ssl_last_chain_expiry_timestamp_seconds"),
  };
}
