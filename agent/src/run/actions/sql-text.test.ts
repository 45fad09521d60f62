import { expect, test } from "vitest";
import { withoutLiterals } from "./sql-text.js";

test.each([
  ["select * from users where token = 'abc' and id = 17", "select * from users where token = ? and id = ?"],
  ["select 'it''s', e'a\\'b', 2.5e-3", "select ?, ?, ?"],
  ["select $$secret$$, $a$ x $$ y $a$ from t1", "select ?, ? from t1"],
  ["select 'cut off in the mid", "select ?"],
  ["select 1 /* secret */ -- secret\n from t", "select ? from t"],
  ['select $1, col2 from "t 3"', 'select $1, col2 from "t ?"'],
])("%s is shown as %s", (sql, shown) => {
  expect(withoutLiterals(sql)).toBe(shown);
});
