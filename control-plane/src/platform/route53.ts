/** Route 53 through AWS' own client, behind the few calls that are needed. */
import type { ResourceRecordSet, Route53Client } from "@aws-sdk/client-route-53";
import { messageOf, OpsError } from "../kernel/errors.js";
import type { Duration } from "../kernel/time.js";

export interface Route53Options {
  readonly region: string;
  /** Instead of AWS' own. */
  readonly endpoint: string | undefined;
}

export interface Route53Change {
  readonly action: "CREATE" | "UPSERT" | "DELETE";
  /** As the API names its parts. */
  readonly record: ResourceRecordSet;
}

export type Route53Record = ResourceRecordSet;

const CALL_WITHIN: Duration = 10_000;
const ATTEMPTS = 2;
/** Record sets of one name and type: as many as Route 53 lets a policy have. */
const RECORDS_MAX = 300;

/** Credentials are found by AWS' own chain: environment, files, the machine's role. */
export class Route53 {
  readonly #options: Route53Options;
  #opened: Promise<{ client: Route53Client; sdk: typeof import("@aws-sdk/client-route-53") }> | undefined;

  constructor(options: Route53Options) {
    this.#options = options;
  }

  /** Record sets of one name and type. Throws OpsError. */
  async list(
    hostedZoneId: string,
    name: string,
    type: "A" | "AAAA" | "CNAME" | "TXT",
  ): Promise<readonly Route53Record[]> {
    const { client, sdk } = await this.#open();
    const command = new sdk.ListResourceRecordSetsCommand({
      HostedZoneId: hostedZoneId,
      StartRecordName: name,
      StartRecordType: type,
      MaxItems: RECORDS_MAX,
    });
    const { ResourceRecordSets = [] } = await told(`list ${name} ${type}`, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    return ResourceRecordSets.filter((one) => one.Type === type && one.Name?.replace(/\.$/, "") === name);
  }

  /** All or nothing. Undefined: the batch was refused because something else stands there; else the change's id. */
  async change(
    hostedZoneId: string,
    changes: readonly Route53Change[],
    comment: string,
  ): Promise<string | undefined> {
    const { client, sdk } = await this.#open();
    const command = new sdk.ChangeResourceRecordSetsCommand({
      HostedZoneId: hostedZoneId,
      ChangeBatch: {
        Comment: comment,
        Changes: changes.map(({ action, record }) => ({ Action: action, ResourceRecordSet: record })),
      },
    });
    try {
      const { ChangeInfo } = await told("change record sets", (abortSignal) =>
        client.send(command, { abortSignal }),
      );
      return ChangeInfo?.Id;
    } catch (error) {
      if (
        error instanceof OpsError &&
        error.cause instanceof sdk.InvalidChangeBatch &&
        isConflict(error.cause)
      )
        return undefined;
      throw error;
    }
  }

  /** Whether all of its servers have a change. */
  async inSync(id: string): Promise<boolean> {
    const { client, sdk } = await this.#open();
    const { ChangeInfo } = await told("ask for a change", (abortSignal) =>
      client.send(new sdk.GetChangeCommand({ Id: id }), { abortSignal }),
    );
    return ChangeInfo?.Status === "INSYNC";
  }

  async close(): Promise<void> {
    (await this.#opened)?.client.destroy();
  }

  /** Loaded when it is first needed: who steers by something else does without its memory. */
  async #open() {
    const { region, endpoint } = this.#options;
    this.#opened ??= import("@aws-sdk/client-route-53").then((sdk) => ({
      sdk,
      client: new sdk.Route53Client({
        region,
        maxAttempts: ATTEMPTS,
        ...(endpoint === undefined ? {} : { endpoint }),
      }),
    }));
    return this.#opened;
  }
}

/** What was to be deleted is not what stands there, or what was to be made is there. */
const isConflict = (error: Error & { readonly messages?: readonly string[] | undefined }): boolean =>
  [error.message, ...(error.messages ?? [])].some((text) =>
    /but it was not found|do(?:es)? not match|but it already exists/i.test(text),
  );

/** AWS' errors in our words: what it refuses is an answer, all else is that it could not be asked. */
async function told<T>(what: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await call(AbortSignal.timeout(CALL_WITHIN));
  } catch (cause) {
    const { name, $metadata } = Object(cause) as { name?: string; $metadata?: { httpStatusCode?: number } };
    const status = $metadata?.httpStatusCode ?? 0;
    const message = `Route 53: ${what}: ${name}: ${messageOf(cause)}`;
    const refused = status >= 400 && status < 500 && status !== 429 && name !== "Throttling";
    const code = refused
      ? "FAILED_PRECONDITION"
      : name === "TimeoutError"
        ? "DEADLINE_EXCEEDED"
        : "UNAVAILABLE";
    throw new OpsError(code, message, {}, { cause });
  }
}
