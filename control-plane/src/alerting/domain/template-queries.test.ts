import { describe, expect, test } from "vitest";
import { TemplateError } from "../../kernel/template/template-error.js";
import { PromqlError } from "../../promql/errors.js";
import type { Value } from "../../promql/value.js";
import { evaluateRule } from "./evaluate-rule.js";
import { checkTemplate, renderText } from "./render-text.js";
import type { AlertingRule } from "./rule.js";
import { askAtOnce, TemplateQueries } from "./template-queries.js";

const render = (text: string, ask?: (query: string) => readonly { value: number }[]) =>
  renderText(text, {
    ...{ value: 1, labels: {}, now: 90_500 },
    ...(ask === undefined
      ? {}
      : { ask: (query) => ask(query).map(({ value }) => ({ labels: {}, timestamp: 0, value })) }),
  });

describe("a query that cannot be answered", () => {
  test.each([
    ["where nothing can be asked", undefined, "error calling query: nothing can be queried here"],
    ["that gives nothing", () => [], "error calling first: first() called on vector with no elements"],
  ])("%s says so in its text's place", (_, ask, message) => {
    expect(render('{{ query "up" | first }}', ask)).toBe(`<error expanding template: ${message}>`);
  });

  test("says what the engine said, and what is no fault of it passes through", () => {
    const at = (error: Error) => () =>
      askAtOnce(() => {
        throw error;
      }, 0);
    expect(at(new PromqlError("parse", "unexpected end of input"))).toThrow(TemplateError);
    expect(at(new Error("out of memory"))).toThrow("out of memory");
    const text: Value = { kind: "string", timestamp: 0, value: "x", warnings: [], infos: [] };
    expect(() => askAtOnce(() => text, 0)).toThrow("the query gives a string, expected a vector or a scalar");
  });
});

test("times and links", () => {
  expect(render('{{ now }} {{ 5400 | toDuration }} {{ urlQueryEscape "a b&c" }}')).toBe(
    "90.5 1h30m0s a+b%26c",
  );
  expect(render("{{ 1e300 | humanizeTimestamp }}")).toBe("1e+300");
});

test("the house's own address, and its path", () => {
  const said = (externalUrl: string) =>
    renderText("{{ externalURL }} {{ pathPrefix }}", { value: 1, labels: {}, now: 0, externalUrl });
  expect(said("http://house.example/mainstay")).toBe("http://house.example/mainstay /mainstay");
  expect(said("http://house.example")).toBe("http://house.example ");
});

test("wrong arguments are refused", () => {
  for (const text of [
    "{{ first 1 }}",
    "{{ label 1 2 }}",
    "{{ value 1 }}",
    '{{ sortByLabel "a" 1 }}',
    "{{ query 1 }}",
  ]) {
    expect(checkTemplate(text)).toBeUndefined();
    expect(render(text, () => [])).toMatch(
      /^<error expanding template: error calling \w+: wrong arguments>$/,
    );
  }
});

describe("queries of one rule", () => {
  const rule: AlertingRule = {
    kind: "alerting",
    key: "g/R",
    name: "R",
    expr: "x",
    holdFor: 0,
    keepFiringFor: 0,
    labels: {},
    annotations: {
      literal: '{{ query "a" | first | value }}',
      own: '{{ printf "b{i=\\"%s\\"}" $labels.i | query | first | value }}',
      chained: '{{ printf "c%.0f" (query "a" | first | value) | query | first | value }}',
    },
  };
  const vector = ["1", "2"].map((i) => ({ labels: { i }, timestamp: 0, value: 1 }));
  const decide = (queries: TemplateQueries) =>
    evaluateRule(
      {
        ...{ rule, vector, known: new Map(), limit: 0, ask: queries.ask },
        surroundings: { externalLabels: {}, externalUrl: "" },
      },
      0,
    );

  test("are asked together, each once; what depends on an answer comes in the next round", () => {
    const queries = new TemplateQueries();
    decide(queries);
    expect(queries.open()).toEqual(["a", 'b{i="1"}', 'b{i="2"}']);
    queries.open().forEach((query, index) => {
      queries.answer(query, { samples: [{ labels: {}, timestamp: 0, value: index + 5 }] });
    });
    decide(queries);
    expect(queries.open()).toEqual(["c5"]);
    queries.answer("c5", { because: "the engine is away" });
    const outcome = decide(queries);
    expect(queries.open()).toEqual([]);
    expect(outcome).toMatchObject({
      kind: "judged",
      alerts: [{ annotations: { literal: "5", own: "6" } }, { annotations: { literal: "5", own: "7" } }],
    });
    const chained = "<error expanding template: error calling query: the engine is away>";
    expect(outcome).toMatchObject({ alerts: [{ annotations: { chained } }, { annotations: { chained } }] });
  });

  test("are bounded in number", () => {
    const queries = new TemplateQueries();
    for (let n = 0; n < 2_000; n++) expect(() => queries.ask(`q${n}`)).toThrow(TemplateError);
    expect(queries.open()).toHaveLength(1_000);
    expect(() => queries.ask("another")).toThrow("more than 1000 different queries");
  });
});
