import { readFileSync } from "node:fs";

const AT_PAGESZ = 6n;
const COMMON_PAGE_BYTES = 4_096;

/** Bytes of a memory page: from the auxiliary vector the kernel gave this process. 64 KiB on some arm64 hosts, else 4 KiB. */
export function readPageBytes(proc: string): number {
  try {
    return pageBytesOf(readFileSync(`${proc}/self/auxv`));
  } catch {
    return COMMON_PAGE_BYTES;
  }
}

/** The page size that an auxiliary vector of 64-bit words names; 4,096 when it names none. */
export function pageBytesOf(auxv: Buffer): number {
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === AT_PAGESZ) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return COMMON_PAGE_BYTES;
}
