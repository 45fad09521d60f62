import { expect, test } from "vitest";
import type { Command } from "./domain/command.js";
import { SignThenSend } from "./sign-then-send.js";

const command = (id: string) => ({ id }) as Command;

function line() {
  const told: string[] = [];
  const delayed: unknown[] = [];
  const signatures: { give(text: string): void; fail(): void }[] = [];
  let wanted = true;
  const on = new SignThenSend({ sleep: async () => {} }, (_, error) => delayed.push(error));
  const send = (text: string) => {
    told.push(text);
    return true;
  };
  return {
    told,
    delayed,
    signatures,
    unwanted: () => {
      wanted = false;
    },
    order: (id: string, name: string) =>
      on.order(command(id), {
        sign: () =>
          new Promise<string>((resolve, reject) => {
            signatures.push({ give: resolve, fail: () => reject(new Error("sealed")) });
          }),
        wanted: () => wanted,
        send: (signed) => send(`${name} ${signed}`),
      }),
    atOnce: (id: string, name: string) =>
      on.order(command(id), {
        sign: () => "s",
        wanted: () => true,
        send: (signed) => send(`${name} ${signed}`),
      }),
  };
}

const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

test("what is signed at once is sent at once, whatever another command's orders wait for", async () => {
  const { told, atOnce, order, signatures } = line();
  expect(order("a", "order")).toBe(true);
  expect(atOnce("b", "other")).toBe(true);
  expect(told).toEqual(["other s"]);
  signatures[0]?.give("signed");
  await turns();
  expect(told).toEqual(["other s", "order signed"]);
  // Nothing is left of it.
  atOnce("a", "again");
  expect(told.at(-1)).toBe("again s");
});

test("orders of one command go in their order, also when the later could be signed at once", async () => {
  const { told, order, atOnce, signatures } = line();
  order("a", "preview");
  atOnce("a", "run");
  await turns();
  expect(told).toEqual([]);
  signatures[0]?.give("1");
  await turns();
  expect(told).toEqual(["preview 1", "run s"]);
});

test("what cannot be signed is tried again and said once, and given up when nobody wants it any more", async () => {
  const { told, delayed, order, signatures, unwanted } = line();
  order("a", "order");
  signatures[0]?.fail();
  await turns();
  signatures[1]?.fail();
  await turns();
  expect(delayed).toHaveLength(1);
  signatures[2]?.give("late");
  await turns();
  expect(told).toEqual(["order late"]);
  order("b", "order");
  signatures[3]?.fail();
  unwanted();
  await turns();
  expect(signatures).toHaveLength(4);
  expect(told).toEqual(["order late"]);
});
