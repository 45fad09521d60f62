import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { type ErrorCode, OpsError } from "../kernel/errors.js";
import {
  codeOfGrpcStatus,
  codeOfHttpStatus,
  grpcStatusOf,
  httpStatusOf,
  toWireError,
  wireErrorOfHttp,
} from "./wire-errors.js";

const id = (): string => "c0ffee";

describe("the table", () => {
  test("has every gRPC status but OK, each once, and finds the way back", () => {
    const names = Object.keys(status).filter(
      (name) => /^[A-Z_]+$/.test(name) && name !== "OK",
    ) as ErrorCode[];
    expect(names).toHaveLength(16);
    for (const name of names) {
      expect(grpcStatusOf(name)).toBe(status[name]);
      expect(codeOfGrpcStatus(status[name])).toBe(name);
      expect(httpStatusOf(name)).toBeGreaterThanOrEqual(400);
    }
    expect(codeOfGrpcStatus(99)).toBe("UNKNOWN");
  });

  test.each([
    { http: 404, code: "NOT_FOUND" },
    { http: 413, code: "RESOURCE_EXHAUSTED" },
    { http: 418, code: "INVALID_ARGUMENT" },
    { http: 500, code: "INTERNAL" },
    { http: 302, code: "INTERNAL" },
  ])("HTTP $http is told as $code and keeps its status", ({ http, code }) => {
    expect(codeOfHttpStatus(http)).toBe(code);
    expect(wireErrorOfHttp(http, "m")).toMatchObject({ code, httpStatus: http, message: "m" });
  });
});

describe("what the outside is told", () => {
  test("one of ours keeps its sentence and the facts that are there", () => {
    const told = toWireError(
      new OpsError("NOT_FOUND", 'node "a": not known', { nodeId: "a", name: undefined }),
      id,
    );
    expect(told.correlationId).toBeUndefined();
    expect(told.wire).toEqual({
      code: "NOT_FOUND",
      message: 'node "a": not known',
      details: { nodeId: "a" },
      grpcStatus: 5,
      httpStatus: 404,
    });
  });

  test.each([
    { what: "a foreign error", error: new Error("connect ECONNREFUSED /srv/secret"), code: "INTERNAL" },
    { what: "a thrown text", error: "password=x", code: "INTERNAL" },
    {
      what: "one of ours about the inside",
      error: new OpsError("INTERNAL", "PostgreSQL: select secret", { statement: "x" }),
      code: "INTERNAL",
    },
    { what: "lost data", error: new OpsError("DATA_LOSS", "chunk 7 at /srv/secret"), code: "DATA_LOSS" },
  ])("$what tells nothing but an id", ({ error, code }) => {
    const told = toWireError(error, id);
    expect(told.correlationId).toBe("c0ffee");
    expect(told.wire.code).toBe(code);
    expect(told.wire.details).toEqual({ correlationId: "c0ffee" });
    expect(JSON.stringify(told.wire)).not.toMatch(/secret|password|PostgreSQL|select/);
  });
});
