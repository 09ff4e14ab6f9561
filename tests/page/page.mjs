// SPDX-License-Identifier: GPL-2.0-only
// page - the tests in the browser. Numbers are compared with what wrk, pgbench and redis-benchmark report of themselves.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { api, base, check, failures, notOk, run, until } from "./kit.mjs";
import { numbersAgree, numbersAgreeRolledUp } from "./numbers.mjs";
import { behaves } from "./behaviour.mjs";
import { hostileNames } from "./hostile.mjs";
import { isFluid } from "./fluid.mjs";
import { takePictures } from "./pictures.mjs";

const VIEWS = ["overview", "map", "service", "requests", "connections", "processes", "items", "events", "alerts", "trace", "status"];
const short = process.env.PAGE === "short";
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/** A page whose mistakes are kept. Answers that the page expects to be refused (no alerts in this agent) are none. */
async function open(context, hash, expected = /404|401|the server responded with a status of 4/) {
  const page = await context.newPage();
  page.mistakes = [];
  page.on("pageerror", (error) => page.mistakes.push(`exception: ${error.message}`));
  page.on("console", (message) => { if (message.type() === "error" && !expected.test(message.text())) page.mistakes.push(message.text()); });
  await page.goto(base + hash);
  return page;
}
const settled = (page, view) => until(() => page.evaluate((name) => {
  const tab = document.querySelector("nav.tabs a[aria-current]");
  return tab?.getAttribute("href")?.startsWith(`#/${name}`) && !document.querySelector(".skeleton") && !!document.querySelector(".view");
}, view), 60);
const world = { browser, open, settled, VIEWS, short };

async function everyViewLoads() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  for (const view of VIEWS) {
    const page = await open(context, `#/${view}`);
    const there = await settled(page, view);
    const text = await page.evaluate(() => document.querySelector("main")?.innerText.length ?? 0);
    check(`view ${view} loads`, there && text > 10 && page.mistakes.length === 0, `settled ${there}, ${text} characters, ${page.mistakes.join("; ")}`);
    await page.close();
  }
  await context.close();
}

async function isAccessible() {
  const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  for (const theme of short ? ["light"] : ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: theme, bypassCSP: true });
    for (const view of short ? ["overview", "requests"] : VIEWS) {
      const page = await open(context, `#/${view}`);
      await settled(page, view);
      await page.evaluate(axe);
      const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.filter((one) => ["serious", "critical"].includes(one.impact)).map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target} (${node.failureSummary?.split("\n")[1] ?? ""})`).join(", ")}`));
      check(`axe finds nothing serious in ${view}, ${theme}`, found.length === 0, found.join(" | "));
      await page.close();
    }
    await context.close();
  }
}

async function isFast() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await open(context, "#/overview");
  await settled(page, "overview");
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1);
  check(`first paint (${Math.round(paint)} ms)`, paint > 0 && paint < 10000, paint);
  const change = await page.evaluate(async () => {
    const begin = performance.now();
    location.hash = "#/status";
    while (!document.querySelector(".figures")) await new Promise((resolve) => requestAnimationFrame(resolve));
    return performance.now() - begin;
  });
  check(`from one view to another (${Math.round(change)} ms)`, change < 10000, change);
  await context.close();
}

try {
  await api("v1/status");
  await until(async () => { await run("curl", ["-s", `http://127.0.0.1:${process.env.NGINX_PORT}/`]); return (await api("v1/records/requests?limit=1")).records.length; }, 60);
  await everyViewLoads();
  if (!short) await numbersAgree(world);
  await hostileNames(world);
  await behaves(world);
  await isAccessible();
  if (!short) await isFast();
  if (!short) await isFluid(world);
  if (!short) await takePictures(world);
  if (!short) await numbersAgreeRolledUp(world);
} catch (error) {
  notOk("the browser's tests", error.stack ?? error);
}
await browser.close();
process.exit(failures ? 1 : 0);
