import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OpsError } from "../../kernel/errors.js";
import { checkAnswer, signMessage, type TsigKey } from "./tsig.js";
import { encodeUpdate } from "./update-message.js";

/** A conversation that was had with BIND 9.18. */
const secret = Buffer.from("ZRfdZHg/9cK7VvIB8G0Hvc9BH5sID/oOXOu8IBTrAUM=", "base64");
const key: TsigKey = { name: "mainstay", algorithm: "hmac-sha256", secret };
const NOW = 1_795_376_500_101;
const MAC = "6a6af5287e0abee0901c8338d354a1ace6f03f2bbb6112a0f64d740c948a5c6f";
const SIGNED = "086d61696e737461790000fa00ff00000000003d0b686d61632d7368613235360000006b034574012c0020";
const QUESTION = "0001000000000001076578616d706c6504746573740000060001";
const ANSWER = `1234a800${QUESTION}${SIGNED}3311460ebbda57a7a342e8e5f610b8d14ed8879a6185f1b6aea0052915aacfcc123400000000`;
const LATE =
  `1236a809${QUESTION}086d61696e737461790000fa00ff0000000000430b686d61632d7368613235360000006b033764012c0020` +
  "007cabf9f24645e78db0f294ea3fb5b2cfd8cf866f0566ab57ba1919088b135912360012000600006b034574";
const LATE_MAC = "225b72bb56e00e9477d211db13fff86d9bebdbab55b2d57a0b054605e711a3ca";
const BAD_SIGNATURE = `1237a809${QUESTION}086d61696e737461790000fa00ff00000000001d0b686d61632d7368613235360000006b034574012c0000123700100000`;
const BAD_KEY = `1238a809${QUESTION}066e6f626f64790000fa00ff00000000001d0b686d61632d7368613235360000006b034574012c0000123800110000`;

const update = {
  zone: "example.test",
  expect: [{ name: "_mainstay.api.example.test", type: "TXT" as const, values: [] }],
  set: [
    { name: "api.example.test", type: "A" as const, ttlSeconds: 30, values: ["192.0.2.2"] },
    {
      name: "_mainstay.api.example.test",
      type: "TXT" as const,
      ttlSeconds: 0,
      values: ["mainstay epoch=1 to=b"],
    },
  ],
};
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const check = (answer: string, mac = MAC, by = key, now = NOW) =>
  checkAnswer(bytes(answer), by, bytes(mac), now);

test("an update is signed as BIND took it", () => {
  const { message, mac } = signMessage(encodeUpdate(0x1234, update), key, NOW);
  expect(mac.toString("hex")).toBe(MAC);
  expect(message.toString("hex")).toContain(`${SIGNED}${MAC}123400000000`);
  // One additional record: the signature.
  expect(message.readUInt16BE(10)).toBe(1);
});

describe("an answer", () => {
  test("that BIND signed is taken", () => {
    expect(() => check(ANSWER)).not.toThrow();
  });

  test.each([
    { that: "has one bit changed", answer: ANSWER.replace("1234a800", "1234a802"), says: "does not fit" },
    { that: "answers another request", answer: ANSWER, mac: LATE_MAC, says: "does not fit" },
    {
      that: "is signed with another secret",
      answer: ANSWER,
      by: { ...key, secret: Buffer.alloc(32) },
      says: "does not fit",
    },
    {
      that: "is signed with another key",
      answer: ANSWER,
      by: { ...key, name: "other" },
      says: 'signed with "mainstay"',
    },
    { that: "is from yesterday", answer: ANSWER, now: NOW + 86_400_000, says: "which is not now" },
    { that: "says that we are late", answer: LATE, mac: LATE_MAC, says: "BADTIME" },
    { that: "says that our secret is another", answer: BAD_SIGNATURE, says: "BADSIG" },
    {
      that: "says that it does not know the key",
      answer: BAD_KEY,
      by: { ...key, name: "nobody" },
      says: "BADKEY",
    },
    { that: "is not signed", answer: `1234a8000001000000000000${QUESTION.slice(16)}`, says: "not signed" },
    { that: "is cut off", answer: ANSWER.slice(0, 100), says: "no whole message" },
  ])("that $that is refused", ({ answer, mac, by, now, says }) => {
    expect(() => check(answer, mac, by, now)).toThrow(says);
  });

  test("that is anything at all is refused, and in our words", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const answer = Buffer.concat([bytes(ANSWER).subarray(0, 12), noise]);
        expect(() => checkAnswer(answer, key, bytes(MAC), NOW)).toThrow(OpsError);
      }),
    );
  });
});
