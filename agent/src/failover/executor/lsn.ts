/** Positions in the write-ahead log: PostgreSQL's text, and bytes as a number. */

/** `16/B374D848` as bytes; undefined for anything else. A log of 2^53 bytes is 8 PB. */
export function parseLsn(text: string | null | undefined): number | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text ?? "");
  if (match === null) return undefined;
  const lsn = Number.parseInt(match[1] ?? "", 16) * 2 ** 32 + Number.parseInt(match[2] ?? "", 16);
  return Number.isSafeInteger(lsn) ? lsn : undefined;
}

export const lsnText = (lsn: number): string =>
  `${Math.floor(lsn / 2 ** 32)
    .toString(16)
    .toUpperCase()}/${(lsn % 2 ** 32).toString(16).toUpperCase()}`;
