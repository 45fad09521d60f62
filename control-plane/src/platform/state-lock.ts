/**
 * At most one control plane on a state directory: two would run two PostgreSQL servers on one cluster.
 *
 * The lock is an abstract socket (unix(7)) named after the directory: the kernel holds it, and lets it go when the
 * process ends, however it ends, so there is no stale file to judge. It does not reach over network namespaces.
 */
import { realpath } from "node:fs/promises";
import { createServer } from "node:net";
import { OpsError } from "../kernel/errors.js";
import { sha256Hex } from "./system.js";

/** Takes the lock of an existing directory; the answer lets it go. Throws FAILED_PRECONDITION when it is held. */
export async function lockState(directory: string): Promise<() => Promise<void>> {
  const name = `\0mainstay-control-plane-${sha256Hex(await realpath(directory)).slice(0, 32)}`;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const taken = "code" in cause && cause.code === "EADDRINUSE";
      const message = taken
        ? `another control plane runs on the state directory ${directory}; stop it, or choose another with --state`
        : `the state directory ${directory} cannot be locked`;
      reject(new OpsError("FAILED_PRECONDITION", message, {}, { cause }));
    });
    server.listen(name, () => resolve());
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}
