/** What an agent tells of a restore drill: text of a host, believed in its form only and bounded. */
import { z } from "zod";
import type { Duration, Instant } from "../../kernel/time.js";

const TEXT_MAX = 2_000;
const REPORT_CHARS_MAX = 100_000;
/** A measurement beyond a century is none. */
const MS_MAX = 100 * 365 * 86_400_000;

const TEXT = z.string().transform((text) => text.slice(0, TEXT_MAX));
const MS = z.number().min(0).max(MS_MAX);

const REPORT = z.object({
  repository: TEXT,
  component: TEXT,
  backup: TEXT,
  to: TEXT.nullable(),
  begunAt: MS,
  steps: z.record(z.string().max(40), MS),
  rtoMs: MS.nullable(),
  rpoMs: MS.nullable(),
  newestAt: TEXT.nullable(),
  measuredBy: z.enum(["marker", "last-commit"]).nullable(),
  bytes: z.number().min(0),
  says: z.array(TEXT).max(50),
  probes: z.record(z.string().max(100), z.number().nullable()),
  failedAt: z.enum(["verify", "restore", "recover", "check", "probe"]).nullable(),
  because: TEXT.nullable(),
  destroyed: z.boolean(),
});

export interface RestoreReport {
  readonly repository: string;
  readonly component: string;
  readonly backup: string;
  /** The moment that was wanted, ISO 8601; undefined: the newest there was. */
  readonly to: string | undefined;
  readonly begunAt: Instant;
  /** How long each step took. */
  readonly steps: Readonly<Record<string, Duration>>;
  /** From the first byte that was restored until writes were taken. */
  readonly rto: Duration | undefined;
  /** How much of what was written is not in what was restored, as time. */
  readonly rpo: Duration | undefined;
  readonly newestAt: string | undefined;
  /** By the host's own marker, or by the last commit that there was. */
  readonly measuredBy: "marker" | "last-commit" | undefined;
  readonly bytes: number;
  readonly says: readonly string[];
  readonly probes: Readonly<Record<string, number | null>>;
  /** Undefined when all went well. */
  readonly failedAt: string | undefined;
  readonly because: string | undefined;
  /** Nothing of it is left on the host. */
  readonly destroyed: boolean;
}

/** Undefined when it is none: then the drill proves nothing, whatever its exit code. */
export function readRestoreReport(json: string): RestoreReport | undefined {
  if (json.length > REPORT_CHARS_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const parsed = REPORT.safeParse(value);
  if (!parsed.success) return undefined;
  const { rtoMs, rpoMs, to, newestAt, measuredBy, failedAt, because, ...told } = parsed.data;
  return {
    ...told,
    to: to ?? undefined,
    rto: rtoMs ?? undefined,
    rpo: rpoMs ?? undefined,
    newestAt: newestAt ?? undefined,
    measuredBy: measuredBy ?? undefined,
    failedAt: failedAt ?? undefined,
    because: because ?? undefined,
  };
}
