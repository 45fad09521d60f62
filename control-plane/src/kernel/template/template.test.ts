import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapeHtml } from "./builtins.js";
import { TemplateError } from "./template-error.js";
import { TemplateSet } from "./template-set.js";
import { SafeText, TemplateObject, type TemplateValue } from "./value.js";

class Pair extends TemplateObject {
  constructor(
    readonly left: string,
    readonly right: string,
  ) {
    super();
  }
  override member(name: string) {
    if (name === "Left") return this.left;
    if (name === "Join") return ([by]: readonly TemplateValue[]) => `${this.left}${String(by)}${this.right}`;
    return undefined;
  }
  override show(): string {
    return `{${this.left} ${this.right}}`;
  }
}

const data = {
  name: "Ann",
  many: ["a", "b", "c"],
  none: [],
  map: { y: "2", x: "1" },
  deep: { pair: new Pair("l", "r") },
  n: 3,
};
const set = new TemplateSet({
  upper: ([text]) => (typeof text === "string" ? text.toUpperCase() : undefined),
  safe: ([text]) => new SafeText(String(text)),
  loop: () => Array.from({ length: 1_000 }, (_, i) => i),
});
const fill = (text: string, options: { escape?: (text: string) => string } = {}) =>
  set.fill(text, data, { now: 0, ...options });

describe("a template of Go", () => {
  test.each([
    ["{{range .many}}<{{.}}>{{end}}", "<a><b><c>"],
    ["{{range $i, $e := .many}}{{$i}}={{$e}} {{end}}", "0=a 1=b 2=c "],
    ["{{range $k, $v := .map}}{{$k}}{{$v}}{{end}}", "x1y2"],
    ["{{range .none}}x{{else}}empty{{end}}", "empty"],
    ["{{range .n}}{{.}}{{end}}", "012"],
    ["{{range .many}}{{if eq . `b`}}{{continue}}{{end}}{{.}}{{end}}", "ac"],
    ["{{range .many}}{{if eq . `b`}}{{break}}{{end}}{{.}}{{end}}", "a"],
    ["{{with .name}}{{.}}{{end}}{{with .absent}}x{{else}}-{{end}}", "Ann-"],
    ["{{with .absent}}x{{else with .n}}{{.}}{{end}}", "3"],
    ["{{with $x := .name}}{{$x}}{{$.n}}{{end}}", "Ann3"],
    ["{{$s := ``}}{{range .many}}{{$s = print $s .}}{{end}}{{$s}}", "abc"],
    ['{{define "t"}}[{{.}}]{{end}}{{template "t" .name}}{{template "t" .n}}', "[Ann][3]"],
    ['{{block "b" .many}}{{len .}}{{end}}', "3"],
    ["{{.deep.pair.Left}}{{.deep.pair.Join `+`}}{{`-` | .deep.pair.Join}}", "ll+rl-r"],
    ["{{(index .many 1) | upper | printf `%s!`}}", "B!"],
    ["{{index .map `y`}}{{slice .name 1 2}}{{len .map}}", "2n2"],
    ["{{.many}} {{.map}} {{.deep.pair}}", "[a b c] map[x:1 y:2] {l r}"],
    ["{{and 1 0 (index .many 9)}}{{or `` `x` (index .many 9)}}", "0x"],
    ["{{if and .name (not .none)}}y{{end}}", "y"],
    ["{{eq .n 1 2 3}} {{ne .n 3}} {{lt 1 2}} {{ge `b` `a`}}", "true false true true"],
    ["a {{- ` b ` -}} c", "a b c"],
    ["a {{/* not said */ -}}  b", "a b"],
    ["{{\"\\u00e9\\n\\x41\"}}{{0x10}}{{1_000}}{{1.5}}{{'a'}}", "é\nA1610001.597"],
    ["{{print 1 2 `x` 3 4}}|{{println `a` 1}}", "1 2x3 4|a 1\n"],
    [
      "{{printf `%5.2f|%-4s|%04d|%q|%t|%x|%+d` 3.14159 `a` 7 `q` true 255 4}}",
      ' 3.14|a   |0007|"q"|true|ff|+4',
    ],
    ["{{printf `%d` `x`}}{{printf `%s`}}{{printf `` 1}}", "%!d(string=x)%!s(MISSING)%!(EXTRA number=1)"],
    ["{{html `<a>`}}{{urlquery `a b&c`}}{{js `'<`}}", "&lt;a&gt;a+b%26c\\'\\u003C"],
    ["{{.absent}}|{{nil}}", "|<no value>"],
    ["{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}", "2"],
  ])("%s gives %s", (text, expected) => {
    expect(fill(text)).toBe(expected);
  });

  test.each([
    ["{{range .many}}x", "unexpected EOF"],
    ["{{end}}", "unexpected {{end}}"],
    ["{{if true}}{{else}}{{else}}{{end}}", "unexpected {{else}}"],
    ["{{break}}", "{{break}} outside {{range}}"],
    ["{{$x}}", 'undefined variable "$x"'],
    ["{{if true}}{{$y := 1}}{{end}}{{$y}}", 'undefined variable "$y"'],
    ["{{nope}}", 'function "nope" not defined'],
    ["{{1 2}}", "can't give argument to non-function"],
    ["{{(1}}", "unclosed left paren"],
    ["{{template x}}", "{{template}} needs a name in quotes"],
    ['{{"a\\q"}}', 'malformed string "a\\q"'],
    ["{{/* x }}", "unclosed comment"],
    [`${"{{if true}}".repeat(60)}`, "the blocks are nested too deep"],
    [`{{${"(".repeat(60)}1${")".repeat(60)}}}`, "the parentheses are nested too deep"],
  ])("%s is refused: %s", (text, message) => {
    expect(() => fill(text)).toThrow(new TemplateError(message));
  });

  test.each([
    ['{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}', "exceeded maximum template depth"],
    ["{{range loop}}{{range loop}}{{end}}{{end}}", "it takes too many steps"],
    [
      "{{range loop}}{{printf `%1000d` 1}}{{printf `%1000d` 1}}{{end}}",
      "the output is longer than 1000000 characters",
    ],
    [
      "{{$x := `0123456789`}}{{range loop}}{{$x = print $x $x}}{{end}}",
      "a text is longer than 1000000 characters",
    ],
    ["{{.name.first}}", "can't evaluate field first in a string"],
    ['{{template "absent" .}}', 'template "absent" not defined'],
    ["{{range .name}}{{end}}", "range can't iterate over a string"],
    ["{{lt .name 1}}", "error calling lt: incompatible types for comparison"],
  ])("%s ends: %s", (text, message) => {
    expect(() => fill(text)).toThrow(new TemplateError(message));
  });

  test("is escaped for HTML, but for what is said to be safe", () => {
    expect(fill("<b>{{`<i>`}}{{safe `<u>`}}</b>", { escape: escapeHtml })).toBe("<b>&lt;i&gt;<u></b>");
  });

  test("does not reach what every object of JavaScript has", () => {
    expect(fill("{{.constructor}}{{.map.__proto__}}{{index .map `toString`}}")).toBe("");
  });

  test("of any text is filled in or refused, and never ends otherwise", () => {
    const scrap = fc.constantFrom(
      ...[
        "{{",
        "}}",
        "range ",
        "if ",
        "end",
        "else",
        ".many",
        "$x := ",
        "$x",
        "(",
        ")",
        "|",
        '"a"',
        "`",
        "with ",
      ],
      ...[
        "define ",
        "template ",
        "block ",
        " ",
        "-",
        "index ",
        "1",
        ".",
        "/*",
        "*/",
        ",",
        "printf ",
        "'",
        "\\",
      ],
    );
    fc.assert(
      fc.property(fc.array(scrap, { maxLength: 24 }), (parts) => {
        try {
          fill(parts.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
