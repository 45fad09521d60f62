import { describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { Gate, tokenOf } from "./gate.js";
import { caller } from "./testing/open-test-doors.js";

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

describe("the token in an authorization header", () => {
  test.each([
    { what: "a bearer token", header: "Bearer abc", token: "abc" },
    { what: "a scheme in other letters", header: "bEARER abc", token: "abc" },
    { what: "basic authentication's password", header: basic("grafana:abc"), token: "abc" },
    { what: "basic authentication without a user", header: basic(":abc"), token: "abc" },
    { what: "a password with a colon", header: basic("u:a:b"), token: "a:b" },
    { what: "no header", header: undefined, token: undefined },
    { what: "an empty header", header: "", token: undefined },
    { what: "a scheme alone", header: "Bearer", token: undefined },
    { what: "a scheme and nothing", header: "Bearer ", token: undefined },
    { what: "an empty password", header: basic("u:"), token: undefined },
    { what: "basic authentication without a colon", header: basic("abc"), token: undefined },
    { what: "another scheme", header: "Digest abc", token: undefined },
    { what: "a header of 4,096 characters", header: `Bearer ${"x".repeat(4_089)}`, token: "x".repeat(4_089) },
    { what: "a longer header", header: `Bearer ${"x".repeat(4_090)}`, token: undefined },
  ])("$what", ({ header, token }) => {
    expect(tokenOf(header)).toBe(token);
  });
});

describe("the gate", () => {
  const gate = (authenticate: (token: string) => Promise<ReturnType<typeof caller>>): Gate =>
    new Gate({
      authenticate,
      permit: (method, roles) =>
        method === "S/Read" && roles.includes("viewer")
          ? { kind: "allow", because: "" }
          : { kind: "deny", because: "needs viewer" },
    });

  test("tells nothing of the inside when tokens cannot be looked up", async () => {
    const away = gate(async () => {
      throw new OpsError("UNAVAILABLE", "PostgreSQL: connect ECONNREFUSED 10.0.0.7:5432");
    });
    await expect(away.enter("Bearer x")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "tokens cannot be looked up now",
    });
  });

  test("a fault while looking up is no way in, and no reason to call the token bad", async () => {
    const broken = gate(async () => {
      throw new TypeError("x is not a function");
    });
    await expect(broken.enter("Bearer x")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("what is refused says why", async () => {
    const open = gate(async () => caller(["viewer"]));
    const who = await open.enter("Bearer x");
    expect(() => open.admit(who, "S/Read")).not.toThrow();
    expect(() => open.admit(who, "S/Write")).toThrow("needs viewer");
  });
});
