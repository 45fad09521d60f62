/** Files with a past. */
import { utimesSync, writeFileSync } from "node:fs";

/** A file that last changed a while ago. */
export function oldFile(path: string, bytes: number, ageSeconds = 7200): void {
  writeFileSync(path, Buffer.alloc(bytes, 120));
  const at = Math.floor(Date.now() / 1000) - ageSeconds;
  utimesSync(path, at, at);
}
