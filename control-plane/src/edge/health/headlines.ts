/** Facts worth a line, for the first look at a fleet. */
import { DAY, HOUR, type Instant, MINUTE } from "../../kernel/time.js";

export interface HeadlineInput {
  /** The fullest filesystem, when any was read. */
  readonly fullest:
    | { readonly node: string; readonly mountpoint: string; readonly usedRatio: number }
    | undefined;
  /** Undefined: could not be read. */
  readonly certificates: { readonly count: number; readonly nearestExpiry: Instant | undefined } | undefined;
  /** Undefined: could not be read. */
  readonly alertsFiring: number | undefined;
  readonly nodes: number;
}

/** Such as "/ 22 % full", "2 certificates, nearest expiry in 63 d", "0 alerts firing". */
export function headlines(input: HeadlineInput, now: Instant): readonly string[] {
  const lines: string[] = [];
  if (input.fullest !== undefined) {
    const { node, mountpoint, usedRatio } = input.fullest;
    const where = input.nodes > 1 ? ` on ${node}` : "";
    lines.push(`${mountpoint}${where} ${Math.round(100 * usedRatio)} % full`);
  }
  if (input.certificates !== undefined) lines.push(certificatesLine(input.certificates, now));
  if (input.alertsFiring !== undefined) lines.push(counted(input.alertsFiring, "alert", "firing"));
  return lines;
}

function certificatesLine(
  { count, nearestExpiry }: NonNullable<HeadlineInput["certificates"]>,
  now: Instant,
): string {
  const found = counted(count, "certificate", "");
  if (nearestExpiry === undefined) return found;
  const left = nearestExpiry - now;
  return `${found}, ${left <= 0 ? `one expired ${span(-left)} ago` : `nearest expiry in ${span(left)}`}`;
}

const counted = (count: number, noun: string, state: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}${state === "" ? "" : ` ${state}`}`;

function span(length: number): string {
  if (length >= 2 * DAY) return `${Math.floor(length / DAY)} d`;
  if (length >= 2 * HOUR) return `${Math.floor(length / HOUR)} h`;
  return `${Math.floor(length / MINUTE)} min`;
}
