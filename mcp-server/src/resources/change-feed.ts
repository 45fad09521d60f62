/**
 * What changed, told to whoever subscribed. The control plane's journal is the source, read live: on every replica of
 * this server alike, so that a change is told wherever its listener is connected. It is read with the tokens of those
 * who listen, one stream a token, and only while somebody listens.
 */
import type { ServerEvent, ServerEventBus } from "@modelcontextprotocol/server";
import type { ControlPlane } from "../control-plane/client.js";
import type { ChangeView } from "../control-plane/journal.js";
import { messageOf, OpsError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { System } from "../system.js";
import { formatTraceparent, spanBelow } from "../trace.js";
import { urisOf } from "./uris.js";

export interface FeedParts {
  readonly controlPlane: Pick<ControlPlane, "speakAs">;
  readonly system: System;
  readonly logger: Logger;
}

/** Changes that come within this time are told once. */
const GATHER_MS = 20;
const RETRY_MS = { first: 250, last: 5_000 };
/** How long a subscriber is kept waiting for the stream to stand; after that it is told what comes later. */
const STAND_MS = 2_000;

interface Watch {
  listeners: number;
  readonly end: AbortController;
  /** Resolves once the position is known from which on nothing is missed. */
  readonly stands: Promise<void>;
}

export class ChangeFeed implements ServerEventBus {
  readonly #parts: FeedParts;
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  readonly #watches = new Map<string, Watch>();
  #gathered = new Set<string>();
  /** The last position that was told. */
  #told = 0;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  publish(event: ServerEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#parts.logger.warn("a change could not be told", { because: messageOf(error) });
      }
    }
  }

  subscribe(listener: (event: ServerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Has the journal read with this token until the answer is called. Resolves when every change from now on will be
   * told, or after two seconds at the latest: while the control plane is away nothing can be told.
   */
  async watchAs(token: string): Promise<() => void> {
    let watch = this.#watches.get(token);
    if (watch === undefined) {
      watch = this.#open(token);
      this.#watches.set(token, watch);
    }
    watch.listeners += 1;
    const held = watch;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      held.listeners -= 1;
      if (held.listeners > 0) return;
      held.end.abort();
      if (this.#watches.get(token) === held) this.#watches.delete(token);
    };
    const patience = new AbortController();
    await Promise.race([held.stands, this.#parts.system.clock.sleep(STAND_MS, patience.signal)]);
    patience.abort();
    return release;
  }

  close(): void {
    for (const { end } of this.#watches.values()) end.abort();
    this.#watches.clear();
    this.#listeners.clear();
  }

  #open(token: string): Watch {
    const end = new AbortController();
    const { logger } = this.#parts;
    const stands = new Promise<void>((resolve) => {
      this.#read(token, end.signal, resolve).catch((error: unknown) =>
        logger.error("watching the journal failed inside", {}, error),
      );
    });
    return { listeners: 0, end, stands };
  }

  async #read(token: string, signal: AbortSignal, stand: () => void): Promise<void> {
    const { controlPlane, system, logger } = this.#parts;
    let position: number | undefined;
    let pause = RETRY_MS.first;
    while (!signal.aborted) {
      const traceparent = formatTraceparent(spanBelow(system.hex));
      const { journal } = controlPlane.speakAs({ token, traceparent, signal });
      try {
        const tail = { afterPosition: 0, size: 1, subject: "", kind: "", tail: true };
        const { lastPosition } = await journal.listEntries(tail);
        // A journal that was brought back from a copy may be shorter than it was.
        position = Math.min(position ?? lastPosition, lastPosition);
        // Others who read along tell from where they are.
        if (this.#watches.size === 1 || position < this.#told) this.#told = position;
        stand();
        for await (const change of journal.watch(position)) {
          position = change.position;
          pause = RETRY_MS.first;
          this.#gather(change);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (
          error instanceof OpsError &&
          (error.code === "UNAUTHENTICATED" || error.code === "PERMISSION_DENIED")
        ) {
          logger.info("a token may no longer read the journal: its subscriptions fall silent", {
            because: error.message,
          });
          return stand();
        }
        logger.warn("the journal cannot be watched now", { because: messageOf(error) });
      }
      // The first try may take as long as it takes; whoever waits for it is let go by the clock.
      await system.clock.sleep(pause, signal);
      pause = Math.min(pause * 2, RETRY_MS.last);
    }
  }

  /** Several streams tell of the same change; the first one counts. */
  #gather({ position, kind, subject }: ChangeView): void {
    if (position <= this.#told) return;
    this.#told = position;
    // Whoever reads the journal when it changes would otherwise be told of having read it, and read it again.
    if (kind.startsWith("mcp.call")) return;
    const first = this.#gathered.size === 0;
    for (const uri of urisOf(subject)) this.#gathered.add(uri);
    if (!first) return;
    this.#parts.system.clock.sleep(GATHER_MS).then(
      () => {
        const uris = this.#gathered;
        this.#gathered = new Set();
        for (const uri of uris) this.publish({ kind: "resource_updated", uri });
      },
      () => {},
    );
  }
}
