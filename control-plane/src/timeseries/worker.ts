/** The thread that owns the hot window. */
import { parentPort, workerData } from "node:worker_threads";
import { OpsError } from "../kernel/errors.js";
import { systemClock } from "../platform/system.js";
import type { HotWindowOptions } from "./domain/hot-window.js";
import { StoreCore } from "./store-core.js";
import type { StoreRequest } from "./store-protocol.js";

const port = parentPort;
if (port === null) {
  throw new OpsError(
    "FAILED_PRECONDITION",
    "the hot window's worker is started by the control plane, not by hand",
  );
}
const core = new StoreCore({
  ...(workerData as HotWindowOptions),
  clock: systemClock,
  reply: (response, transfer) => port.postMessage(response, [...transfer]),
});
port.on("message", (request: StoreRequest) => core.handle(request));
