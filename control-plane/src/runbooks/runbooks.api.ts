/** RunbooksService: proto message ↔ runbook and run. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type RunbookRunSchema,
  type RunbookSchema,
  RunbooksService,
  RunbookRunState as WireRunState,
} from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { canonicalJson } from "../kernel/canonical-json.js";
import { OpsError } from "../kernel/errors.js";
import { type Instant, SECOND } from "../kernel/time.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { Clock } from "../platform/system.js";
import { checkRunbook, daysOverdue } from "./domain/check-runbook.js";
import { nextMoment, parseCron } from "./domain/cron.js";
import { detailOf } from "./domain/describe-step.js";
import { allowedBy } from "./domain/parameter.js";
import { RUN_STATES, type Run, type RunState, STEP_STATES, stepOf } from "./domain/run.js";
import { type RunDesk, runChannel } from "./run-desk.js";
import { readRun, readRuns } from "./runs.store.js";
import { readRunbookText, type Shelf, type ShelvedRunbook } from "./shelf.js";

const LIMITS = {
  requestIdLength: 64,
  parametersLength: 16_384,
  reasonLength: 1_000,
  page: { default: 100, max: 1_000 },
} as const;

/** While a run is watched, PostgreSQL is asked at least this often, should a live message be lost. */
const WATCH_INTERVAL = 2 * SECOND;

export interface RunbooksApiPorts {
  readonly database: Database;
  readonly desk: RunDesk;
  readonly shelf: Shelf;
  readonly live: Live;
  readonly clock: Clock;
}

const stateFromWire = (state: WireRunState): RunState | undefined =>
  state === WireRunState.UNSPECIFIED ? undefined : RUN_STATES[state - 1];

const at = (instant: Instant | undefined) => (instant === undefined ? undefined : timestampFromMs(instant));

function bookToWire(shelved: ShelvedRunbook, now: Instant): MessageInitShape<typeof RunbookSchema> {
  const { book, path, digest, warnings } = shelved;
  const { schedule } = book;
  const cron = schedule && parseCron(schedule.cron, schedule.timeZone);
  const next = cron === undefined || typeof cron === "string" ? undefined : at(nextMoment(cron, now));
  return {
    name: book.name,
    summary: book.summary,
    owner: book.owner,
    lastReviewed: book.lastReviewed,
    stale: daysOverdue(book, now) > 0,
    reviewDays: book.reviewDays,
    parameters: Object.entries(book.parameters).map(([name, parameter]) => ({
      name,
      summary: parameter.summary,
      type: parameter.type,
      required: parameter.default === undefined,
      defaultJson: parameter.default === undefined ? "" : JSON.stringify(parameter.default),
      allowed: allowedBy(parameter),
    })),
    steps: book.steps.map((step, index) => ({
      id: step.id,
      summary: step.summary,
      kind: step.kind,
      detail: detailOf(step),
      needs: step.needs ?? book.steps.slice(index - 1, index).map(({ id }) => id),
      onFailure: step.onFailure,
    })),
    cron: schedule?.cron ?? "",
    timeZone: schedule?.timeZone ?? "",
    ...(next === undefined ? {} : { nextRunAt: next }),
    path,
    digest,
    warnings: [...warnings],
  };
}

function runToWire(run: Run, whole = true): MessageInitShape<typeof RunbookRunSchema> {
  return {
    runId: run.id,
    runbook: run.runbook,
    digest: run.digest,
    dryRun: run.dryRun,
    parametersJson: canonicalJson(run.parameters),
    state: (RUN_STATES.indexOf(run.state) + 1) as WireRunState,
    because: run.because,
    requestedBy: run.requestedBy,
    reason: run.reason,
    startedAt: timestampFromMs(run.startedAt),
    changedAt: timestampFromMs(run.changedAt),
    ...(run.endedAt === undefined ? {} : { endedAt: timestampFromMs(run.endedAt) }),
    traceparent: run.traceparent,
    steps: run.program.steps.map((step) => {
      const state = stepOf(run, step.id);
      const undone = (state.undo ?? []).map(
        ({ of, end, because }) =>
          `undo of ${of}: ${end ?? "under way"}${because === undefined ? "" : `, ${because}`}`,
      );
      const [startedAt, endedAt] = [at(state.startedAt), at(state.endedAt)];
      return {
        id: step.id,
        summary: step.summary,
        kind: step.work.kind,
        state: STEP_STATES.indexOf(state.state) + 1,
        because: state.because,
        attempt: state.attempt,
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(endedAt === undefined ? {} : { endedAt }),
        commandIds: (state.targets ?? []).flatMap(({ commandId }) =>
          commandId === undefined ? [] : [commandId],
        ),
        findings: whole ? [...state.findings, ...undone] : [],
        approverRole: step.work.kind === "approval" ? step.work.role : "",
        ...(state.decidedBy === undefined ? {} : { decidedBy: state.decidedBy }),
      };
    }),
  };
}

function parseParameters(text: string): Readonly<Record<string, unknown>> {
  if (text.length > LIMITS.parametersLength)
    throw new OpsError(
      "INVALID_ARGUMENT",
      `parameters_json has ${text.length} characters, at most ${LIMITS.parametersLength}`,
    );
  let value: unknown;
  try {
    value = JSON.parse(text === "" ? "{}" : text);
  } catch (cause) {
    throw new OpsError("INVALID_ARGUMENT", "parameters_json is not JSON", {}, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new OpsError("INVALID_ARGUMENT", "parameters_json is not a JSON object");
  return value as Readonly<Record<string, unknown>>;
}

function checkReason(reason: string): string {
  if (reason.length <= LIMITS.reasonLength) return reason;
  throw new OpsError(
    "INVALID_ARGUMENT",
    `reason has ${reason.length} characters, at most ${LIMITS.reasonLength}`,
  );
}

export function runbooksApi({
  database,
  desk,
  shelf,
  live,
  clock,
}: RunbooksApiPorts): ServiceImplementation<typeof RunbooksService, CallContext> {
  const need = async (id: string): Promise<Run> => {
    const run = await readRun(database, id);
    if (run === undefined) throw new OpsError("NOT_FOUND", `there is no run "${id}"`);
    return run;
  };

  return {
    async listRunbooks({ staleOnly }) {
      const now = clock.now();
      const books = [...shelf.books.values()].filter(({ book }) => !staleOnly || daysOverdue(book, now) > 0);
      return { runbooks: books.map((shelved) => bookToWire(shelved, now)), faults: [...shelf.faults] };
    },

    async getRunbook({ name }) {
      const shelved = shelf.books.get(name);
      if (shelved === undefined) throw new OpsError("NOT_FOUND", `there is no runbook "${name}"`);
      return { runbook: bookToWire(shelved, clock.now()), text: shelved.text };
    },

    async validateRunbook({ text }) {
      const read = readRunbookText("runbook", text);
      if ("faults" in read) return { faults: [...read.faults], warnings: [] };
      const { book, lineOf } = read.value;
      const remarks = checkRunbook(book, { others: shelf.plain, lineOf });
      const of = (severity: string): string[] =>
        remarks
          .filter((remark) => remark.severity === severity)
          .map(({ line, message }) => `runbook:${line}: ${message}`);
      return { faults: of("fault"), warnings: of("warning") };
    },

    async runRunbook(request, context) {
      const { requestId } = request;
      if (requestId === "" || requestId.length > LIMITS.requestIdLength)
        throw new OpsError(
          "INVALID_ARGUMENT",
          `request_id has ${requestId.length} characters, expected 1 to ${LIMITS.requestIdLength}`,
        );
      const run = await desk.start({
        requestId,
        runbook: request.name,
        parameters: parseParameters(request.parametersJson),
        dryRun: request.dryRun,
        requestedBy: context.caller.actor,
        roles: context.caller.roles,
        reason: checkReason(request.reason),
        traceparent: formatTraceparent(context.trace),
      });
      return { run: runToWire(run) };
    },

    async getRunbookRun({ runId }) {
      return { run: runToWire(await need(runId)) };
    },

    async listRunbookRuns(request) {
      const size = request.page?.size ?? 0;
      if (size > LIMITS.page.max)
        throw new OpsError("INVALID_ARGUMENT", `page.size is ${size}, at most ${LIMITS.page.max}`);
      const limit = size === 0 ? LIMITS.page.default : size;
      const before = parseToken(request.page?.token ?? "");
      const state = stateFromWire(request.state);
      const runs = await readRuns(database, {
        runbook: request.runbook,
        limit,
        ...(state === undefined ? {} : { state }),
        ...(before === undefined ? {} : { before }),
      });
      const last = runs.at(-1);
      const nextToken = last !== undefined && runs.length === limit ? `${last.startedAt}/${last.id}` : "";
      return { runs: runs.map((run) => runToWire(run, false)), nextToken };
    },

    async cancelRunbookRun({ runId, reason }, context) {
      return { run: runToWire(await desk.cancel(runId, context.caller.actor, checkReason(reason))) };
    },

    async decideRunbookRun({ runId, stepId, approve, reason }, { caller }) {
      const run = await desk.decide(runId, stepId, approve, caller.actor, caller.roles, checkReason(reason));
      return { run: runToWire(run) };
    },

    async *watchRunbookRun({ runId }, { signal }) {
      let told = 0;
      let wake = new AbortController();
      // Before the first look, so that no news falls between a look and a wait.
      const stop = live.subscribe(runChannel(runId), () => wake.abort());
      try {
        while (!signal.aborted) {
          const run = await need(runId);
          if (run.revision !== told) yield { run: runToWire(run) };
          told = run.revision;
          if (run.endedAt !== undefined) return;
          await clock.sleep(WATCH_INTERVAL, AbortSignal.any([wake.signal, signal]));
          wake = new AbortController();
        }
      } finally {
        stop();
      }
    },
  };
}

function parseToken(token: string): { readonly startedAt: number; readonly id: string } | undefined {
  if (token === "") return undefined;
  const [time, id] = token.split("/");
  const startedAt = Number(time);
  if (id === undefined || !Number.isSafeInteger(startedAt))
    throw new OpsError(
      "INVALID_ARGUMENT",
      `page.token is "${token.slice(0, 80)}", expected the next_token of an answer`,
    );
  return { startedAt, id };
}
