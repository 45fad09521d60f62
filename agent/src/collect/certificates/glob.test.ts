import { mkdirSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FixtureHost } from "../testing/fixture-host.js";
import { expandGlob, isGlob } from "./glob.js";

let host: FixtureHost;
beforeAll(() => {
  host = new FixtureHost({
    "live/a.example/fullchain.pem": "",
    "live/b.example/fullchain.pem": "",
    "live/b.example/privkey.pem": "",
    "live/README": "",
    "nginx/top.crt": "",
    "nginx/conf.d/deep/er/site.crt": "",
    "nginx/.hidden.crt": "",
    "odd/a[1]+b.pem": "",
  });
  mkdirSync(`${host.root}/live/dir.pem`);
  // Round and round, for those who follow.
  symlinkSync(host.root, `${host.root}/nginx/loop`);
  symlinkSync(`${host.root}/live/a.example`, `${host.root}/live/linked.example`);
});
afterAll(() => host.remove());

async function found(glob: string, max = 100): Promise<string[]> {
  const { paths } = await expandGlob(`${host.root}${glob}`, max);
  return paths.map((path) => path.slice(host.root.length));
}

test.each([
  {
    glob: "/live/*/fullchain.pem",
    is: [
      "/live/a.example/fullchain.pem",
      "/live/b.example/fullchain.pem",
      "/live/linked.example/fullchain.pem",
    ],
  },
  { glob: "/live/?.example/priv*.pem", is: ["/live/b.example/privkey.pem"] },
  { glob: "/live/*.pem", is: [] },
  { glob: "/nginx/**/*.crt", is: ["/nginx/top.crt", "/nginx/conf.d/deep/er/site.crt"] },
  { glob: "/nginx/.*.crt", is: ["/nginx/.hidden.crt"] },
  { glob: "/odd/a[1]+*.pem", is: ["/odd/a[1]+b.pem"] },
  { glob: "/nowhere/*/x", is: [] },
  { glob: "/named/file.pem", is: ["/named/file.pem"] },
])("$glob", async ({ glob, is }) => {
  expect(await found(glob)).toEqual(is);
});

test("there is a bound, and it is said", async () => {
  const { paths, cut } = await expandGlob(`${host.root}/**/*`, 2);
  expect(paths).toHaveLength(2);
  expect(cut).toBe(true);
});

test("what is a glob", () => {
  expect([isGlob("/a/*.pem"), isGlob("/a/?.pem"), isGlob("/a/[b].pem")]).toEqual([true, true, false]);
});
