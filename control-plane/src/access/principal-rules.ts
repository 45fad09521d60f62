/** Who has which roles, and the switch: changed by administrators, each change with its entry in the journal. */
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { deleteRule, putRule, RULES_MAX, readRules, writeSwitch } from "./delegation.store.js";
import type { PrincipalRule } from "./domain/delegation.js";
import type { SwitchState } from "./domain/judge-switch.js";
import type { TokensDeps } from "./tokens.js";

const TEXT_MAX = 255;
const BECAUSE_MAX = 300;
const ISSUER = /^https?:\/\/[\x21-\x7e]+$/;

interface By {
  readonly by: Actor;
  readonly traceparent: string;
}

/** Throws INVALID_ARGUMENT unless it is one subject, or one claim with a value. */
export function whomOf(subject: string, claim: string, value: string): PrincipalRule["whom"] {
  const given = [subject, claim, value].filter((text) => text !== "");
  const plain = given.every((text) => text.length <= TEXT_MAX && text === cleanText(text, TEXT_MAX));
  if (plain && subject !== "" && given.length === 1) return { subject };
  if (plain && claim !== "" && value !== "" && subject === "") return { claim, value };
  throw new OpsError(
    "INVALID_ARGUMENT",
    `put principal rule: expected a subject, or a claim and its value, of at most ${TEXT_MAX} plain characters`,
  );
}

/** Adds a rule, or gives the one that speaks of the same other roles. Answers its id. */
export async function addRule(
  { database, system }: TokensDeps,
  { issuer, whom, roles, by, traceparent }: Omit<PrincipalRule, "ruleId"> & By,
): Promise<string> {
  if (!ISSUER.test(issuer) || issuer.length > TEXT_MAX) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `put principal rule: issuer is ${JSON.stringify(cleanText(issuer, 60))}, expected the URL that its tokens name`,
    );
  }
  const given: Role[] = [...new Set(roles)];
  if (given.length === 0 || given.includes("delegate")) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "put principal rule: expected roles among viewer, operator, approver, admin",
    );
  }
  const now = system.clock.now();
  const draft = {
    ruleId: system.draws.id(now),
    issuer,
    whom,
    roles: given,
    createdAt: now,
    createdBy: by.name,
  };
  if ((await readRules(database)).length >= RULES_MAX)
    throw new OpsError("RESOURCE_EXHAUSTED", `put principal rule: there are ${RULES_MAX} rules`);
  return database.transaction(async (tx) => {
    const ruleId = await putRule(tx, draft);
    const who = "subject" in whom ? `the subject ${whom.subject}` : `${whom.claim} ${whom.value}`;
    await appendEntries(tx, [
      {
        at: now,
        kind: "principal-rule.put",
        subject: `principal-rule:${ruleId}`,
        actor: by,
        because: `${by.name} gave ${who} of ${issuer} the roles ${given.join(", ")}`,
        facts: { issuer, ...whom, roles: given },
        traceparent,
      },
    ]);
    return ruleId;
  });
}

/** Throws NOT_FOUND. */
export async function removeRule(
  { database, system }: TokensDeps,
  ruleId: string,
  by: Actor,
  traceparent: string,
): Promise<void> {
  await database.transaction(async (tx) => {
    const rule = await deleteRule(tx, ruleId);
    if (rule === undefined) {
      throw new OpsError(
        "NOT_FOUND",
        `delete principal rule: there is no rule ${JSON.stringify(cleanText(ruleId, 40))}`,
      );
    }
    await appendEntries(tx, [
      {
        at: system.clock.now(),
        kind: "principal-rule.deleted",
        subject: `principal-rule:${ruleId}`,
        actor: by,
        because: `${by.name} took a rule of ${rule.issuer} away`,
        facts: { issuer: rule.issuer, ...rule.whom, roles: [...rule.roles] },
        traceparent,
      },
    ]);
  });
}

/** Throws INVALID_ARGUMENT when something is refused without a reason. */
export async function setSwitch(
  { database, system }: TokensDeps,
  { state, because, by, traceparent }: { readonly state: SwitchState; readonly because: string } & By,
): Promise<void> {
  const reason = cleanText(because, BECAUSE_MAX).trim();
  if (reason === "" && state !== "on") {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "set the MCP switch: because is empty, expected what to tell the refused",
    );
  }
  const now = system.clock.now();
  await database.transaction(async (tx) => {
    await writeSwitch(tx, { state, because: reason, setBy: by.name, setAt: now });
    await appendEntries(tx, [
      {
        at: now,
        kind: "mcp.switched",
        subject: "mcp:switch",
        actor: by,
        because: `${by.name} put the switch of AI clients to ${state}${reason === "" ? "" : `: ${reason}`}`,
        facts: { state },
        traceparent,
      },
    ]);
  });
}
