/**
 * Renews a declared certificate with its declared program, looks whether the new one is sound and served, and puts the old
 * one back when it is not. What was replaced is kept, so that it can be put back later too.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makePrivateDirectory, writePrivateFile } from "../../identity/state-files.js";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { ArgumentsOf } from "../command.js";
import type { DeclaredCertificate } from "../permits/renew-certificate.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { type PairFacts, putPair, readPair, servedFingerprint, whyNotSound } from "./certificate-pair.js";
import { describeEnd } from "./program-end.js";

type Arguments = ArgumentsOf<"renew-certificate">;

/** How long a server may take to serve the new one after its reload. */
const servedMs = 10_000;
const pollMs = 250;
const reloadMs = 60_000;

export const renewCertificate: Action<"renew-certificate"> = {
  name: "renew-certificate",

  async preview(args, context): Promise<Previewed> {
    const looked = await look(args, context);
    if (looked.kind === "impossible") return looked;
    const { certificate, now, kept } = looked;
    const plan: Plan = {
      action: "renew-certificate",
      arguments: { certificate: args.certificate, restore: args.restore },
      before: { ...now },
      program: args.restore === undefined ? [...certificate.renew] : [],
      reload: [...(certificate.reload ?? [])],
      inverse: {
        action: "renew-certificate",
        arguments: { certificate: args.certificate, restore: now.fingerprint },
      },
    };
    const what =
      kept === undefined
        ? `would renew ${args.certificate} (${now.subject}), which ends ${now.notAfter}`
        : `would put ${args.certificate} back to the one that ends ${kept.notAfter}`;
    return { kind: "planned", plan, summary: what };
  },

  observed(plan) {
    const { fingerprint, keyHash } = Object(plan["before"]) as { fingerprint?: string; keyHash?: string };
    return { fingerprint, keyHash };
  },

  async run(args, plan, context): Promise<Done> {
    const looked = await look(args, context);
    if (looked.kind === "impossible") return failed(looked.because);
    const { certificate, now } = looked;
    if (now.fingerprint !== Object(plan["before"]).fingerprint)
      return failed(`${args.certificate} is another one than when it was planned; nothing was done`);
    try {
      await keep(certificate, now);
      return await settle(certificate, now, await replace(args, certificate, now, context), context);
    } catch (error) {
      return putBack(certificate, now, undefined, reasonOf(error), context);
    }
  },

  async adopt(args, plan, context, end): Promise<Done> {
    const certificate = declared(context.policy.renewCertificate?.certificates, args.certificate);
    if (certificate === undefined) return failed(`${args.certificate} is not declared on this host any more`);
    // What was there before is in the plan; its files were kept before anything began.
    const before = Object(plan["before"]) as PairFacts;
    try {
      const wentWell = end.kind === "exited" && end.exitCode === 0;
      const because = wentWell ? await check(args, certificate, before, context) : describeEnd(end);
      return await settle(certificate, before, because, context);
    } catch (error) {
      return putBack(certificate, before, undefined, reasonOf(error), context);
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const certificate = declared(context.policy.renewCertificate?.certificates, args.certificate);
    if (certificate === undefined) return `${args.certificate} is not declared any more`;
    const now = await readPair(certificate.certFile, certificate.keyFile);
    const same = now.fingerprint === Object(plan["before"]).fingerprint ? "the one of the plan" : "a new one";
    const unsound = whyNotSound(now, context.system.clock.now());
    return `${args.certificate} is ${same} and ends ${now.notAfter}${unsound === undefined ? "" : `; ${unsound}`}`;
  },
};

type Looked =
  | {
      readonly kind: "found";
      readonly certificate: DeclaredCertificate;
      readonly now: PairFacts;
      /** What is to be put back. */
      readonly kept: PairFacts | undefined;
    }
  | { readonly kind: "impossible"; readonly because: string };

async function look(args: Arguments, { policy, system }: ActionContext): Promise<Looked> {
  const certificate = declared(policy.renewCertificate?.certificates, args.certificate);
  if (certificate === undefined)
    return { kind: "impossible", because: `${args.certificate} is not declared on this host` };
  try {
    const now = await readPair(certificate.certFile, certificate.keyFile);
    if (args.restore === undefined) return { kind: "found", certificate, now, kept: undefined };
    if (args.restore === now.fingerprint)
      return { kind: "impossible", because: `${args.certificate} is that one already` };
    const kept = await readPair(...keptFiles(certificate, args.restore));
    const unsound = whyNotSound(kept, system.clock.now());
    if (unsound !== undefined) return { kind: "impossible", because: `the one that was kept: ${unsound}` };
    return { kind: "found", certificate, now, kept };
  } catch (error) {
    return { kind: "impossible", because: `${args.certificate}: ${reasonOf(error)}` };
  }
}

function keptFiles({ keepIn, name }: DeclaredCertificate, fingerprint: string): [string, string] {
  const stem = join(keepIn, `${name}-${fingerprint}`);
  return [`${stem}.crt`, `${stem}.key`];
}

/** A copy before anything happens, for this user only. */
async function keep(certificate: DeclaredCertificate, now: PairFacts): Promise<void> {
  makePrivateDirectory(certificate.keepIn);
  const [certificateCopy, keyCopy] = keptFiles(certificate, now.fingerprint);
  writePrivateFile(certificateCopy, await readFile(certificate.certFile));
  writePrivateFile(keyCopy, await readFile(certificate.keyFile));
}

/** Puts the new one in place and has it served; answers why that did not work. */
async function replace(
  args: Arguments,
  certificate: DeclaredCertificate,
  now: PairFacts,
  context: ActionContext,
): Promise<string | undefined> {
  if (args.restore !== undefined) {
    const [certificateCopy, keyCopy] = keptFiles(certificate, args.restore);
    await putPair(certificate, await readFile(certificateCopy), await readFile(keyCopy));
  } else {
    context.say(`running ${certificate.renew[0]}`);
    const because = await program(certificate.renew, context, context.deadline);
    if (because !== undefined) return because;
  }
  return check(args, certificate, now, context);
}

/** Whether what lies in the files now is better than what was there, and whether it is served. */
async function check(
  args: Arguments,
  certificate: DeclaredCertificate,
  now: PairFacts,
  context: ActionContext,
): Promise<string | undefined> {
  const after = await readPair(certificate.certFile, certificate.keyFile);
  const unsound = whyNotSound(after, context.system.clock.now());
  if (unsound !== undefined) return unsound;
  if (after.fingerprint === now.fingerprint) return `${certificate.renew[0]} left the certificate as it was`;
  if (args.restore === undefined && after.endsAt <= now.endsAt)
    return `the new one ends ${after.notAfter}, not later than the old one`;
  return serve(certificate, after, context);
}

/** The end: the new one stays, or the old one is put back because of something. */
async function settle(
  certificate: DeclaredCertificate,
  before: PairFacts,
  because: string | undefined,
  context: ActionContext,
): Promise<Done> {
  const after = await readPair(certificate.certFile, certificate.keyFile);
  if (because !== undefined) return putBack(certificate, before, after, because, context);
  return {
    succeeded: true,
    exitCode: 0,
    summary: `${certificate.name} ends ${after.notAfter} now, before ${before.notAfter}${certificate.served === undefined ? "" : "; it is served"}`,
    result: { before: { ...before }, after: { ...after } },
  };
}

/** Has the server take it up, and sees it there. */
async function serve(
  { reload, served }: DeclaredCertificate,
  expected: PairFacts,
  context: ActionContext,
): Promise<string | undefined> {
  const { clock, timers } = context.system;
  if (reload !== undefined) {
    const because = await program(reload, context, clock.monotonic() + reloadMs);
    if (because !== undefined) return because;
  }
  if (served === undefined) return undefined;
  const until = clock.monotonic() + servedMs;
  for (;;) {
    const seen = await servedFingerprint(served).catch((error: unknown) => reasonOf(error));
    if (seen === expected.fingerprint) return undefined;
    if (clock.monotonic() >= until)
      return `${served.host}:${served.port} serves ${/^[0-9a-f]{64}$/.test(seen) ? "another certificate" : `none: ${seen}`}`;
    await timers.sleep(pollMs);
  }
}

async function putBack(
  certificate: DeclaredCertificate,
  before: PairFacts,
  after: PairFacts | undefined,
  because: string,
  context: ActionContext,
): Promise<Done> {
  if (after?.fingerprint === before.fingerprint && after.keyHash === before.keyHash) return failed(because);
  try {
    const [certificateCopy, keyCopy] = keptFiles(certificate, before.fingerprint);
    await putPair(certificate, await readFile(certificateCopy), await readFile(keyCopy));
    const trouble = await serve(certificate, before, context);
    return failed(`${because}; the old one was put back${trouble === undefined ? "" : `, but ${trouble}`}`);
  } catch (error) {
    return failed(`${because}; the old one could not be put back: ${reasonOf(error)}`);
  }
}

async function program(
  argv: readonly string[],
  context: ActionContext,
  until: number,
): Promise<string | undefined> {
  const end = await context.runProgram({
    argv,
    timeoutMs: Math.max(1_000, until - context.system.clock.monotonic()),
    signal: context.signal,
    output: (stream, text) => context.say(text.trimEnd(), stream),
  });
  return end.kind === "exited" && end.exitCode === 0 ? undefined : `${argv[0]}: ${describeEnd(end)}`;
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
