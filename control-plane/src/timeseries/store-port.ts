/**
 * Where the hot window runs: on a thread of its own, or in this one for tests.
 */
import { Worker } from "node:worker_threads";
import { messageOf } from "../kernel/errors.js";
import type { Clock } from "../platform/system.js";
import type { HotWindowOptions } from "./domain/hot-window.js";
import { StoreCore } from "./store-core.js";
import type { StoreRequest, StoreResponse } from "./store-protocol.js";

/** The line to the side that owns the hot window. */
export interface StorePort {
  post(request: StoreRequest, transfer: readonly ArrayBuffer[]): void;
  close(): Promise<void>;
}

/** What is heard from there. */
export interface StoreListener {
  response(response: StoreResponse): void;
  /** It ended without being asked to; all it held in memory is gone. */
  lost(because: string): void;
}

/** Opens a line; called again after a loss. */
export type OpenStorePort = (listener: StoreListener) => StorePort;

/**
 * What the window keeps lives outside of the heap or for long; V8's 48 MB of room for short-lived objects would be the
 * greater part of a small installation's memory, and saves no time that could be measured.
 */
const YOUNG_GENERATION_MB = 8;

/** A worker thread. `url` is the compiled worker.js; `options` are cloned to it. */
export function threadStore(url: URL, options: HotWindowOptions): OpenStorePort {
  return (listener) => {
    const worker = new Worker(url, {
      workerData: { seriesLimits: options.seriesLimits, timeLimits: options.timeLimits },
      name: "hot-window",
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    let closing = false;
    let cause = "";
    worker.on("message", (response: StoreResponse) => listener.response(response));
    worker.on("error", (error) => {
      cause = messageOf(error);
    });
    worker.on("exit", (code) => {
      if (!closing) listener.lost(cause === "" ? `its thread ended with code ${code}` : cause);
    });
    return {
      post: (request, transfer) => worker.postMessage(request, [...transfer]),
      close: async () => {
        closing = true;
        await worker.terminate();
      },
    };
  };
}

/** In this thread: requests are cloned and answered in later turns, as between threads. */
export function createLocalStore(options: HotWindowOptions & { readonly clock: Clock }): OpenStorePort {
  return (listener) => {
    let open = true;
    const core = new StoreCore({
      ...options,
      reply: (response, transfer) => {
        const copy = structuredClone(response, { transfer: [...transfer] });
        queueMicrotask(() => {
          if (open) listener.response(copy);
        });
      },
    });
    return {
      post: (request, transfer) => {
        const copy = structuredClone(request, { transfer: [...transfer] });
        queueMicrotask(() => {
          if (open) core.handle(copy);
        });
      },
      close: async () => {
        open = false;
      },
    };
  };
}
