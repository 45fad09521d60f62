/**
 * Remote write in, versions 1.0 and 2.0 (https://prometheus.io/docs/specs/prw/): samples of other Prometheus servers and
 * of whatever speaks like one. What is good is kept; what is not is told with 400, which no sender sends again; when there
 * is no room now the answer is 503 with a time, after which senders try again.
 */

import { OpsError } from "../../../kernel/errors.js";
import { formatLabels } from "../../../kernel/labels.js";
import type {
  KeptEntry,
  ReplayKept,
  SeriesWriter,
  WriteOutcome,
} from "../../../timeseries/timeseries.module.js";
import { type Asked, type HttpAnswer, plain, refuseForeignPage } from "../../http-endpoint.js";
import type { MetricNotes } from "../metric-notes.js";
import { readVersion1 } from "./read-version-1.js";
import { readVersion2 } from "./read-version-2.js";
import { SampleBatch } from "./sample-batch.js";
import { unpackSnappy } from "./snappy.js";
import { WireReader } from "./wire-reader.js";

/** As Prometheus' own receiver. */
const UNPACKED_MAX = 32 * 1024 * 1024;
const RETRY_AFTER_SECONDS = "5";

type Refusal = WriteOutcome["refusals"][number]["because"];

/** Prometheus' sentence where it has one. */
const SENTENCES: Readonly<Partial<Record<Refusal, string>>> = {
  "out-of-order": "out of order sample",
  "conflicting-duplicate": "duplicate sample for timestamp",
  "too-old": "out of bounds",
  "too-far-in-future": "out of bounds",
  "bad-time": "out of bounds",
  "metric-name": "invalid metric name",
  "label-name": "invalid or repeated label name",
  "label-count": "too many labels",
  "label-name-length": "label name too long",
  "label-value-length": "label value too long",
  "node-series-limit": "too many series",
  "global-series-limit": "too many series",
};

export interface RemoteWriteDeps {
  readonly openWriter: (replay: ReplayKept) => SeriesWriter;
  readonly notes: MetricNotes;
}

type Version = 1 | 2;

export function remoteWrite({ openWriter, notes }: RemoteWriteDeps): (asked: Asked) => Promise<HttpAnswer> {
  const batch = new SampleBatch();

  const take = async (version: Version, body: Uint8Array, kept?: KeptEntry): Promise<HttpAnswer> => {
    try {
      // Between here and `write` nothing waits: the batch, and the numbers in it, belong to this request.
      writer.open();
      batch.clear();
      const reader = new WireReader(unpackSnappy(body, UNPACKED_MAX));
      const sink = { writer, batch, notes };
      if (version === 1) readVersion1(reader, sink);
      else readVersion2(reader, sink);
      const { histograms } = batch;
      const outcome = batch.count === 0 ? NOTHING : await writer.write(batch, kept);
      return answer(outcome, histograms, version);
    } finally {
      kept?.done();
    }
  };
  const writer = openWriter(async (request) => {
    const [version] = request;
    await take(version === 2 ? 2 : 1, request.subarray(1));
  });

  return async ({ headers, body }) => {
    refuseForeignPage(headers);
    const version = versionOf(headers["content-type"] ?? "");
    const encoding = headers["content-encoding"] ?? "snappy";
    if (version === undefined || encoding !== "snappy" || !(body instanceof Uint8Array)) {
      return plain(
        415,
        "remote write: expected Content-Type application/x-protobuf of prometheus.WriteRequest or io.prometheus.write.v2.Request, and Content-Encoding snappy\n",
      );
    }
    try {
      writer.open();
      return await take(version, body, await writer.keep(Buffer.concat([Buffer.of(version), body])));
    } catch (error) {
      if (!(error instanceof OpsError)) throw error;
      if (error.code === "INVALID_ARGUMENT") return plain(400, `${error.message}\n`);
      if (error.code !== "UNAVAILABLE" && error.code !== "RESOURCE_EXHAUSTED") throw error;
      const later = plain(503, `${error.message}\n`);
      return { ...later, headers: { ...later.headers, "retry-after": RETRY_AFTER_SECONDS } };
    }
  };
}

const NOTHING: WriteOutcome = { kept: 0, refusals: [] };

/** The version that a content type names; undefined for any other message. */
function versionOf(contentType: string): Version | undefined {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim().toLowerCase());
  if (type !== "application/x-protobuf") return undefined;
  const proto = parameters.find((parameter) => parameter.startsWith("proto="))?.slice("proto=".length);
  if (proto === undefined || proto === "prometheus.writerequest") return 1;
  return proto === "io.prometheus.write.v2.request" ? 2 : undefined;
}

function answer({ kept, refusals }: WriteOutcome, histograms: number, version: Version): HttpAnswer {
  // A sample that came twice with the same value is no fault: senders repeat what they got no answer to.
  const repeated = refusals.find(({ because }) => because === "duplicate")?.samples ?? 0;
  const faults = refusals
    .filter(({ because }) => because !== "duplicate")
    .map(({ because, samples, example }) => {
      const of =
        example === undefined
          ? ""
          : `, one of them ${formatLabels(example.labels).slice(0, 500)} at ${example.timestampMs}`;
      return `${SENTENCES[because] ?? because}: ${samples} samples refused${of}`;
    });
  if (histograms > 0) faults.push(`native histograms are not kept here: ${histograms} refused`);
  const headers: Readonly<Record<string, string>> =
    version === 1
      ? {}
      : {
          "x-prometheus-remote-write-samples-written": String(kept + repeated),
          "x-prometheus-remote-write-histograms-written": "0",
          "x-prometheus-remote-write-exemplars-written": "0",
        };
  const told = faults.length === 0 ? plain(204, "") : plain(400, `${faults.join("; ")}\n`);
  return { ...told, headers: { ...told.headers, ...headers } };
}
