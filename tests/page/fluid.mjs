// SPDX-License-Identifier: GPL-2.0-only
// fluid - what a tab costs: a map of hundreds of services that is moved, and a list of requests while thousands come each second.
import { check, start, until } from "./kit.mjs";

const NODES = 400, EDGES = 900;

/** A map that no test machine has: four tiers, each asks the next one. */
function largeMap() {
  let seed = 7;
  const random = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648; };
  const nodes = Array.from({ length: NODES }, (_, at) => ({ id: `service-${at}`, name: `service-${at}`, kind: "service", count: Math.round(random() * 90000), error_count: at % 17 ? 0 : 900, p50_ns: 1e6, p99_ns: 9e6, filter: `service = service-${at}` }));
  const edges = new Map();
  while (edges.size < EDGES) {
    const client = Math.floor(random() * NODES * 0.75), tier = Math.floor(client / (NODES / 4)), server = Math.floor((tier + 1 + random()) * NODES / 4);
    edges.set(`${client} ${server}`, { client: `service-${client}`, server: `service-${server}`, protocol: ["http", "grpc", "redis"][client % 3], count: 1000 + Math.round(random() * 20000), error_count: client % 19 ? 0 : 600, p50_ns: 1e6, p90_ns: 3e6, p99_ns: 9e6, mean_ns: 2e6, wait_ns: 1.5e6, filter: "side = client" });
  }
  return { from: new Date(Date.now() - 9e5).toISOString(), to: new Date().toISOString(), nodes, edges: [...edges.values()] };
}

/** Frames while `what` is done: how many, the median gap between them in ms, and the CPU time of the page for each, which others on the machine
 *  cannot lengthen. */
async function framesWhile(page, what) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const cpu = async () => (await session.send("Performance.getMetrics")).metrics.find((one) => one.name === "TaskDuration").value * 1000;
  await page.evaluate(() => { window.gaps = []; let last = performance.now(); const beat = () => { const now = performance.now(); window.gaps.push(now - last); last = now; window.beating = requestAnimationFrame(beat); }; beat(); });
  const before = await cpu();
  await what();
  const used = await cpu() - before, gaps = await page.evaluate(() => { cancelAnimationFrame(window.beating); return window.gaps.slice(2).sort((a, b) => a - b); });
  await session.detach();
  return { count: gaps.length, gap: gaps[Math.floor(gaps.length / 2)] ?? Infinity, cpu: used / Math.max(1, gaps.length) };
}
const FRAME_MS = 1000 / 60;
const isFluidly = (name, frames) => check(`${name}: ${frames.count} frames, ${frames.cpu.toFixed(1)} ms of CPU for each (half of them within ${frames.gap.toFixed(1)} ms)`, frames.count > 5 && frames.cpu < FRAME_MS, JSON.stringify(frames));

async function largeMapIsFluid(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const answer = JSON.stringify(largeMap());
  await context.route(/\/v1\/map/, (route) => route.fulfill({ contentType: "application/json", body: answer }));
  const page = await world.open(context, "#/map");
  const drawn = await until(() => page.evaluate((wanted) => document.querySelectorAll(".map .node").length === wanted, NODES + 1), 60); /* and those outside */
  check(`a map of ${NODES} services is drawn`, drawn, await page.evaluate(() => document.querySelectorAll(".map .node").length));
  const overlaps = await page.evaluate(() => {
    const spots = [...document.querySelectorAll(".map .node")].map((one) => /translate\(([-\d.]+),\s*([-\d.]+)\)/.exec(one.getAttribute("transform")).slice(1).map(Number));
    return spots.filter(([x, y], at) => spots.some(([u, v], other) => other > at && Math.abs(x - u) < 164 && Math.abs(y - v) < 46)).length;
  });
  check("no two boxes lie on each other", overlaps === 0, overlaps);
  await page.mouse.move(700, 500);
  await page.mouse.down();
  isFluidly("moving it", await framesWhile(page, async () => { for (let at = 0; at < 60; at++) await page.mouse.move(700 + 5 * at, 500 + 3 * (at % 20)); }));
  await page.mouse.up();
  isFluidly("zooming it", await framesWhile(page, async () => { for (let at = 0; at < 30; at++) await page.mouse.wheel(0, at < 15 ? 120 : -120); }));
  check("and makes no mistake", page.mistakes.length === 0, page.mistakes.join("; "));
  await context.close();
}

/** CPU seconds of all tabs of this browser, as the browser counts them. */
async function tabsCpu(session) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter((one) => one.type === "renderer").reduce((sum, one) => sum + one.cpuTime, 0);
}

async function manyRequestsCostLittle(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await world.open(context, "#/requests?range=5m");
  await world.settled(page, "requests");
  const session = await world.browser.newBrowserCDPSession();
  const seconds = 10, wrk = start("wrk", ["-t1", "-c4", `-d${seconds + 2}s`, `http://127.0.0.1:${process.env.NGINX_PORT}/`]);
  await new Promise((resolve) => setTimeout(resolve, 1000)); /* what follows is a measure over time */
  const before = await tabsCpu(session), begin = Date.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const used = (await tabsCpu(session) - before) / ((Date.now() - begin) / 1000);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(await wrk.done)?.[1] ?? 0);
  check(`with ${Math.round(rate)} requests a second the tab uses ${(used * 100).toFixed(0)} % of a processor`, used < 0.5, used);
  await page.mouse.move(700, 500);
  isFluidly("scrolling the list", await framesWhile(page, async () => { for (let at = 0; at < 30; at++) await page.mouse.wheel(0, 200); }));
  await context.close();
}

export async function isFluid(world) {
  await largeMapIsFluid(world);
  await manyRequestsCostLittle(world);
}
