// SPDX-License-Identifier: GPL-2.0-only
// Colours mean something on the page, so whoever sees fewer of them must still tell them apart: each theme's tokens as protanopes, deuteranopes
// and tritanopes see them (matrices of Machado, Oliveira, Fernandes 2009, severity 1), and WCAG's contrast of text.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../src/page.css", import.meta.url), "utf8");
const tokens = (selector) => Object.fromEntries([...css.slice(css.indexOf(selector)).split("}")[0].matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map((match) => [match[1], match[2]]));
const THEMES = { light: tokens(":root {"), dark: tokens(':root[data-theme="dark"] {') };
const EYES = {
  all: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protanope: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranope: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritanope: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};
const linear = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const seen = (hex, eye) => { const rgb = linear(hex), m = EYES[eye]; return [0, 3, 6].map((row) => Math.min(1, Math.max(0, m[row] * rgb[0] + m[row + 1] * rgb[1] + m[row + 2] * rgb[2]))); };
/** CIELAB under D65. */
function lab([r, g, b]) {
  const f = (t) => t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116;
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047), y = f(0.2126 * r + 0.7152 * g + 0.0722 * b), z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
const apart = (a, b, eye) => Math.hypot(...lab(seen(a, eye)).map((v, at) => v - lab(seen(b, eye))[at]));
const luminance = (hex) => { const [r, g, b] = linear(hex); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };

const pairs = (names) => names.flatMap((a, at) => names.slice(at + 1).map((b) => [a, b]));
const PHASES = ["send", "network", "queue", "process", "download"], SERIES = ["c0", "c1", "c2", "c3"]; /* from the fifth on lines are dashed */
const LEAST = 11; /* distance in CIELAB: some five times what is just noticed */

for (const [theme, colours] of Object.entries(THEMES)) {
  test(`${theme}: tokens are there`, () => { for (const name of [...PHASES, ...SERIES, "ink", "ink-2", "ink-3", "ground", "ground-2", "accent", "ok", "warn", "bad"]) assert.match(colours[name] ?? "", /^#/, name); });
  for (const eye of Object.keys(EYES)) {
    for (const [what, names] of [["phases", PHASES], ["lines", SERIES]]) {
      test(`${theme}, ${eye}: ${what} are told apart`, () => { for (const [a, b] of pairs(names)) { const found = apart(colours[a], colours[b], eye); assert.ok(found >= LEAST, `${a} and ${b}: ${found.toFixed(1)}`); } });
    }
    test(`${theme}, ${eye}: what is bad is not taken for what is well`, () => { const found = apart(colours.ok, colours.bad, eye); assert.ok(found >= LEAST, found.toFixed(1)); });
  }
  test(`${theme}: text has contrast`, () => {
    for (const name of ["ink", "ink-2", "ink-3", "accent", "ok", "warn", "bad"]) for (const ground of ["ground", "ground-2"]) { const found = contrast(colours[name], colours[ground]); assert.ok(found >= 4.5, `${name} on ${ground}: ${found.toFixed(2)}`); }
  });
}
