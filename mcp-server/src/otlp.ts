/**
 * Spans and metrics by OpenTelemetry's conventions for MCP, sent over OTLP/HTTP as JSON. Names of what was called go out,
 * never what it was called with or what it answered. Loaded only where a collector is named.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import { isServerFault } from "./errors.js";
import type { System } from "./system.js";
import type { Operation, Telemetry } from "./telemetry.js";

export interface OtlpOptions {
  /** The collector's base address; `/v1/traces` and `/v1/metrics` are below it. */
  readonly endpoint: string;
  readonly version: string;
  readonly system: System;
  /** Between two sendings of metrics. @default 60,000 */
  readonly intervalMs?: number;
}

/** Seconds, as the conventions advise. */
const BOUNDARIES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];
/** Spans that wait for the collector; more are dropped. */
const SPANS_MAX = 2_048;
const SEND_TIMEOUT_MS = 5_000;
const STOP_WITHIN_MS = 2_000;

export function openOtlp({ endpoint, version, system, intervalMs = 60_000 }: OtlpOptions): Telemetry {
  const base = endpoint.replace(/\/+$/, "");
  const resource = resourceFromAttributes({
    "service.name": "mainstay-mcp-server",
    "service.version": version,
  });
  const spans = new BatchSpanProcessor(
    new OTLPTraceExporter({ url: `${base}/v1/traces`, timeoutMillis: SEND_TIMEOUT_MS }),
    { maxQueueSize: SPANS_MAX },
  );
  const tracers = new BasicTracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    idGenerator: { generateTraceId: () => system.hex(32), generateSpanId: () => system.hex(16) },
    spanProcessors: [spans],
  });
  const meters = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `${base}/v1/metrics`, timeoutMillis: SEND_TIMEOUT_MS }),
        exportIntervalMillis: intervalMs,
        exportTimeoutMillis: Math.min(SEND_TIMEOUT_MS, intervalMs),
      }),
    ],
  });
  const tracer = tracers.getTracer("mainstay-mcp-server", version);
  const seconds = meters
    .getMeter("mainstay-mcp-server", version)
    .createHistogram("mcp.server.operation.duration", {
      unit: "s",
      description: "How long calls took, from their arrival to their answer.",
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
  return {
    begin(operation, ...parents) {
      const parent = parents.find((candidate) => candidate !== undefined);
      const context =
        parent === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, {
              traceId: parent.traceId,
              spanId: parent.spanId,
              traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
              isRemote: true,
            });
      const { method, target } = operation;
      const labels = labelsOf(operation);
      const started = system.clock.monotonic();
      const span = tracer.startSpan(
        target === "" ? method : `${method} ${target}`,
        { kind: SpanKind.SERVER, attributes: labels },
        context,
      );
      const { traceId, spanId, traceFlags } = span.spanContext();
      return {
        span: { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 },
        end(failure) {
          const failed = failure === undefined ? {} : { "error.type": failure };
          if (failure !== undefined) {
            span.setAttributes(failed);
            // A caller's mistake is an answer; only a fault of the house is an error of the span.
            if (isServerFault(failure)) span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
          seconds.record((system.clock.monotonic() - started) / 1_000, { ...labels, ...failed });
        },
      };
    },
    async stop() {
      const late = new AbortController();
      const sent = Promise.allSettled([tracers.shutdown(), meters.shutdown()]);
      await Promise.race([sent, system.clock.sleep(STOP_WITHIN_MS, late.signal)]);
      late.abort();
    },
  };
}

function labelsOf({ method, target, transport, protocolVersion }: Operation): Record<string, string> {
  const tool =
    method === "tools/call" ? { "gen_ai.tool.name": target, "gen_ai.operation.name": "execute_tool" } : {};
  return {
    "mcp.method.name": method,
    ...tool,
    ...(method === "prompts/get" ? { "gen_ai.prompt.name": target } : {}),
    "network.transport": transport === "stdio" ? "pipe" : "tcp",
    ...(protocolVersion === undefined ? {} : { "mcp.protocol.version": protocolVersion.slice(0, 20) }),
  };
}
