import { describe, expect, test } from "vitest";
import { HELP, SETTINGS } from "./settings.js";

const all = Object.entries(SETTINGS);

describe("the settings", () => {
  test.each(["flag", "env", "file"] as const)("no two have the same %s", (name) => {
    const names = all.map(([, setting]) => setting[name]);
    expect(names.filter((one, index) => names.indexOf(one) !== index)).toEqual([]);
  });

  test.each(all)("%s is named as its kind is everywhere, and the help has it on a line", (key, setting) => {
    expect(setting.flag).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(setting.env).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(setting.file).toBe(key);
    const line = HELP.split("\n").find((one) => one.startsWith(`  --${setting.flag} ${setting.value} `));
    expect(line).toContain(setting.help);
    expect(line).toContain(`[${setting.env}]`);
  });

  test("the help tells how it ends, and needs no more than two words to start", () => {
    expect(HELP).toContain("--embedded");
    expect(HELP).toMatch(/Exit codes: 0 stopped, 1 could not start, 2 bad settings/);
  });
});
