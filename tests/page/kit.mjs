// SPDX-License-Identifier: GPL-2.0-only
// kit - what the page's tests share: results as lines, waiting with a limit, the agent's API, programs that make traffic.
import { spawn, execFile } from "node:child_process";
import { promisify } from "node:util";

export const run = promisify(execFile);
export const base = `http://127.0.0.1:${process.env.PAGE_PORT}/`;
export const work = process.env.WORK;

export let failures = 0;
export const ok = (name) => console.log(`ok ${name}`);
export const notOk = (name, why) => { failures++; console.log(`not ok ${name}: ${String(why).replace(/\s+/g, " ").slice(0, 600)}`); };
export const check = (name, holds, why = "") => holds ? ok(name) : notOk(name, why || "it does not hold");
/** got is wanted, give or take a share and an absolute amount. */
export function near(name, got, wanted, share, amount = 0) {
  const off = Math.abs(got - wanted);
  check(`${name} (page ${got.toPrecision(4)}, its own report ${wanted.toPrecision(4)}, within ${Math.round(share * 100)} %${amount ? ` or ${amount}` : ""})`, Number.isFinite(got) && (off <= wanted * share || off <= amount), `${got} is not near ${wanted}`);
}
export async function until(what, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await what();
    if (found || Date.now() > end) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
export const api = async (path) => (await fetch(base + path)).json();
export const metric = async (name) => {
  const text = await (await fetch(`${base}metrics`)).text();
  return text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `)).reduce((sum, line) => sum + Number(line.split(" ").pop()), 0);
};

export function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let out = "";
  child.stdout.on("data", (data) => { out += data; });
  child.stderr.on("data", (data) => { out += data; });
  child.done = new Promise((resolve) => child.on("close", () => resolve(out)));
  return child;
}

const UNITS = { ns: 1e-9, "µs": 1e-6, us: 1e-6, ms: 1e-3, s: 1, min: 60, "": 1, "%": 0.01, k: 1e3, M: 1e6, "/s": 1, "k/s": 1e3 };
/** "12.3 ms" as the page writes it -> seconds; "1.2 k" -> 1200; "0.1 %" -> 0.001 */
export function numberOf(text) {
  const match = /^<?(-?[\d.]+)\s*(.*)$/u.exec(text.replace(/[\u202f\u00a0]/g, " ").trim());
  return match ? Number(match[1]) * (UNITS[match[2].replace(/\s/g, "")] ?? NaN) : NaN;
}
