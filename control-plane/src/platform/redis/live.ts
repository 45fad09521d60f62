/**
 * Live fan-out: who listens now hears it, on every replica. Holds nothing that may not be lost; PostgreSQL has the
 * truth, and a listener that missed something reads it there.
 */
import { EventEmitter } from "node:events";
import { Redis } from "ioredis";
import type { Logger } from "../logger.js";

export interface LiveFigures {
  readonly adapter: "in-process" | "redis";
  /** Open connections to Redis; 0 in process. */
  readonly connections: number;
}

export interface Live {
  /** Tells all who listen to `channel` now. Never throws: what is lost here is read from PostgreSQL. */
  publish(channel: string, message: string): void;
  /** Hears `channel` until the returned function is called. */
  subscribe(channel: string, heard: (message: string) => void): () => void;
  /** How long Redis took to answer, in ms; 0 in process. Throws when it does not answer. */
  ping(): Promise<number>;
  figures(): LiveFigures;
  close(): Promise<void>;
}

/** Within one process: for `npm start` and for a single replica. */
export function inProcessLive(): Live {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    publish: (channel, message) => void emitter.emit(channel, message),
    subscribe: (channel, heard) => {
      emitter.on(channel, heard);
      return () => void emitter.off(channel, heard);
    },
    ping: async () => 0,
    figures: () => ({ adapter: "in-process", connections: 0 }),
    close: async () => void emitter.removeAllListeners(),
  };
}

/** Over Redis' publish and subscribe, between replicas. While Redis is away, messages are lost and nothing else is. */
export function redisLive(url: string, logger: Logger): Live {
  const options = {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    connectTimeout: 2_000,
    commandTimeout: 1_000,
    retryStrategy: (tries: number) => Math.min(tries * 200, 5_000),
  };
  const commands = new Redis(url, options);
  // Subscriptions are made again by the client after each reconnection; they may wait until it is there.
  const subscriber = new Redis(url, {
    ...options,
    enableOfflineQueue: true,
    maxRetriesPerRequest: null,
    commandTimeout: 0,
  });
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  let away = false;
  commands.on("error", (error) => {
    if (!away)
      logger.warn(
        "Redis cannot be reached; live updates between replicas are lost until it is back",
        {},
        error,
      );
    away = true;
  });
  commands.on("ready", () => {
    if (away) logger.info("Redis is back");
    away = false;
  });
  subscriber.on("error", () => {});
  subscriber.on("message", (channel: string, message: string) => void emitter.emit(channel, message));
  return {
    publish: (channel, message) => {
      commands.publish(channel, message).catch(() => {});
    },
    subscribe: (channel, heard) => {
      if (emitter.listenerCount(channel) === 0) subscriber.subscribe(channel).catch(() => {});
      emitter.on(channel, heard);
      return () => {
        emitter.off(channel, heard);
        if (emitter.listenerCount(channel) === 0) subscriber.unsubscribe(channel).catch(() => {});
      };
    },
    ping: async () => {
      const started = performance.now();
      await commands.ping();
      return performance.now() - started;
    },
    figures: () => ({
      adapter: "redis",
      connections: [commands, subscriber].filter((client) => client.status === "ready").length,
    }),
    close: async () => {
      commands.disconnect();
      subscriber.disconnect();
    },
  };
}
