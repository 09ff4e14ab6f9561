// SPDX-License-Identifier: GPL-2.0-only
// behaviour - what a person does: filter, follow live, pause, open, switch an item, use keys, and eight tabs at once.
import { readFileSync } from "node:fs";
import http from "node:http";
import { api, base, check, metric, until, work } from "./kit.mjs";

const agent = new http.Agent({ keepAlive: true });
const ask = (path) => new Promise((resolve) => http.get({ host: "127.0.0.1", port: process.env.NGINX_PORT, path, agent, timeout: 10000 }, (answer) => { answer.resume(); answer.on("close", resolve); }).on("timeout", resolve).on("error", resolve));
const OURS = `port = ${process.env.NGINX_PORT}`; /* others may work on this machine */
const HASH = `#/requests?range=5m&filter=${encodeURIComponent(OURS)}`;
const rows = (page) => page.evaluate(() => [...document.querySelectorAll('table[aria-label="requests"] tbody tr[data-row]')].map((row) => row.innerText.replace(/\s+/g, " ")));

async function live(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await world.open(context, HASH);
  await world.settled(page, "requests");
  let number = 0;
  const arrives = async (mark) => until(async () => { await ask(`/missing?live-${mark}-${number++}`); return (await rows(page)).some((row) => row.includes(`live-${mark}`)); }, 30);
  check("live: a request stands on the page by itself", await arrives("one"));

  await page.keyboard.press("/");
  check("keys: / goes to the filter", await page.evaluate(() => document.activeElement?.id === "filter"));
  await page.fill("#filter", "");
  await page.keyboard.type(`${OURS} and status = 404 and side = server`);
  await page.keyboard.press("Enter");
  check("filter: it stands in the address", await until(() => page.evaluate(() => decodeURIComponent(location.hash).replace(/\+/g, " ").includes("status = 404 and side = server")), 10));
  await arrives("two");
  /* half of what was typed may have been asked before the whole */
  const strangers = (list) => list.filter((row) => !/ 404 /.test(row) || !/ server /.test(row));
  const filtered = await until(async () => { const list = await rows(page); return list.length > 0 && !strangers(list).length && list; }, 60);
  check("filter: only what matches is shown", filtered, strangers(await rows(page)).slice(0, 3).join("; "));
  await page.fill("#filter", "status >= ");
  await page.keyboard.press("Enter");
  check("filter: a mistake is told under the box", await until(() => page.evaluate(() => document.querySelector("#filter")?.getAttribute("aria-invalid") === "true" && /value is wanted/.test(document.querySelector("#filter-offers")?.innerText ?? "")), 10));
  await page.fill("#filter", "proto");
  check("filter: columns are completed", await until(() => page.evaluate(() => [...document.querySelectorAll("#filter-offers [role=option]")].some((one) => one.innerText.startsWith("protocol"))), 10));
  await page.fill("#filter", OURS);
  await page.keyboard.press("Enter");
  await page.evaluate(() => document.activeElement?.blur());

  await arrives("three");

  await page.keyboard.press(".");
  check("keys: . pauses", await until(() => page.evaluate(() => /paused/.test(document.querySelector("header")?.innerText ?? "")), 10));
  const before = (await rows(page))[0];
  check("pause: new requests are counted, rows stand still", await until(async () => { await ask("/missing?paused"); return page.evaluate(() => !!document.querySelector(".fresh")); }, 30) && (await rows(page))[0] === before);
  await page.keyboard.press(".");
  check("going on shows them", await until(async () => (await rows(page)).some((row) => row.includes("paused")), 20));

  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  check("keys: Enter opens the details", await until(() => page.evaluate(() => /Where the time went/.test(document.querySelector(".pane")?.innerText ?? "")), 10));
  await page.keyboard.press("Escape");
  check("keys: Esc closes them", await until(() => page.evaluate(() => !document.querySelector(".pane")), 10));
  await page.evaluate(() => { location.hash = "#/requests?range=5m&filter=side+%3D+server"; });
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  check("keys: g o goes to the overview; time and filter stay", await until(() => page.evaluate(() => /^#\/overview\?range=300s&filter=side/.test(location.hash)), 10), await page.evaluate(() => location.hash));
  await page.keyboard.press("?");
  check("keys: ? shows them", await until(() => page.evaluate(() => !!document.querySelector("dialog[open]")), 10));
  check("no mistake meanwhile", page.mistakes.length === 0, page.mistakes.join("; "));
  await context.close();
}

async function switching(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await world.open(context, "#/items?open=syscalls");
  await page.waitForSelector(".switch", { timeout: 60000 });
  const was = (await api("v1/items/syscalls")).on;
  await page.click(".switch");
  check("switching without the token asks for it", await until(() => page.evaluate(() => /token/i.test(document.querySelector("dialog[open]")?.innerText ?? "")), 20));
  check("and changes nothing", (await api("v1/items/syscalls")).on === was);
  await page.close();
  const trusted = await world.open(context, `#token=${readFileSync(`${work}/etc/token`, "utf8").trim()}`);
  check("the token is taken out of the address", await until(() => trusted.evaluate(() => !location.href.includes("token")), 10));
  await trusted.goto(`${base}#/items?open=syscalls`);
  await trusted.waitForSelector(".switch", { timeout: 60000 });
  await trusted.click(".switch");
  check("with it the item is switched on", await until(async () => (await api("v1/items/syscalls")).on, 30));
  check("the switch shows it", await until(() => trusted.evaluate(() => document.querySelector(".switch")?.getAttribute("aria-checked") === "true"), 20));
  check("and what it tells comes live", await until(() => trusted.evaluate(() => (document.querySelector('[aria-label="live output of syscalls"] tbody')?.children.length ?? 0) > 0), 40));
  await trusted.fill("#param-min_us", "100");
  await trusted.click(".pane form button[type=submit]");
  check("a parameter is set", await until(async () => (await api("v1/items/syscalls")).settings?.min_us === 100, 30));
  await trusted.click(".switch");
  check("and off again", await until(async () => !(await api("v1/items/syscalls")).on, 30));
  await until(() => trusted.evaluate(() => [...document.querySelectorAll(".pane button")].some((one) => one.innerText === "Run it while I look")), 20);
  await trusted.evaluate(() => [...document.querySelectorAll(".pane button")].find((one) => one.innerText === "Run it while I look")?.click());
  check("what is off runs while somebody looks", await until(() => trusted.evaluate(() => (document.querySelector('[aria-label="live output of syscalls"] tbody')?.children.length ?? 0) > 0), 60));
  await trusted.keyboard.press("Escape");
  check("and is off when nobody does", await until(async () => !(await api("v1/items/syscalls")).on, 60));
  check("switching made no mistake", trusted.mistakes.length === 0, trusted.mistakes.join("; "));
  await context.close();
}

async function eightTabs(world) {
  const context = await world.browser.newContext({ viewport: { width: 1000, height: 700 } });
  const tabs = [];
  for (let at = 0; at < 8; at++) {
    const tab = await world.open(context, HASH);
    const session = await context.newCDPSession(tab);
    await session.send("Emulation.setFocusEmulationEnabled", { enabled: false }); /* only the tab in front is seen, as everywhere */
    tabs.push(tab);
  }
  let live = 0;
  for (const tab of tabs) {
    await tab.bringToFront();
    const mark = `eight-tabs-${live}`;
    if (await until(async () => { await ask(`/missing?${mark}`); return (await rows(tab)).some((row) => row.includes(mark)); }, 60)) live++;
  }
  check("eight tabs are live, each that is looked at", live === 8, `${live} of 8`);
  check("through one stream", await until(async () => await metric("sonde_api_streams") === 1, 20), `${await metric("sonde_api_streams")} streams`);
  await Promise.all(tabs.map((tab) => tab.close()));
  await context.close();
  check("which ends with them", await until(async () => await metric("sonde_api_streams") === 0, 60), `${await metric("sonde_api_streams")} streams`);
}

/** A program of the tracing language, written on the page and run. */
async function tracing(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await world.open(context, "#/trace");
  await page.waitForSelector("textarea", { timeout: 60000 });
  const run = async (text) => { await page.fill("textarea", text); await page.click(".buttons .primary"); };
  await run("BEGIN { printf(\"hello %d\\n\", 42); exit(); }");
  check("trace: running without the token asks for it", await until(() => page.evaluate(() => /token/i.test(document.querySelector("dialog[open]")?.innerText ?? "")), 20));
  await page.close();
  const trusted = await world.open(context, `#token=${readFileSync(`${work}/etc/token`, "utf8").trim()}`);
  await until(() => trusted.evaluate(() => !location.href.includes("token")), 10);
  await trusted.goto(`${base}#/trace`);
  await trusted.waitForSelector("textarea", { timeout: 60000 });
  const says = () => trusted.evaluate(() => document.querySelector(".trace-out").innerText);
  const start = async (text) => { await trusted.fill("textarea", text); await trusted.click(".buttons .primary"); };
  await start("BEGIN { printf(\"hello %d <b>\\n\", 42); exit(); }");
  check("trace: what it prints is shown", await until(async () => (await says()).includes("hello 42 <b>"), 60), await says());
  await start("BEGIN { @[\"one\"] = 3; @[\"two\"] = 5; @h = hist(7); exit(); }");
  check("trace: its maps and histograms are", await until(async () => /two\s+5/.test(await says()) && await trusted.evaluate(() => document.querySelectorAll(".trace-out .bars i").length > 0), 60), await says());
  await start("BEGIN {\n\tnonsense(;\n}");
  check("trace: a mistake is told with its line", await until(() => trusted.evaluate(() => !!document.querySelector("[role=alert]") && document.querySelector(".lines .bad")?.innerText === "2"), 60), await trusted.evaluate(() => document.querySelector("main").innerText.slice(0, 300)));
  await start("interval:s:1 { printf(\"tick\\n\"); }");
  await until(async () => (await says()).includes("tick"), 60);
  await trusted.click(".buttons .primary");
  check("trace: Stop ends it", await until(() => trusted.evaluate(() => document.querySelector(".buttons .primary").innerText === "Run"), 20));
  check("trace: no mistake meanwhile", trusted.mistakes.length === 0, trusted.mistakes.join("; "));
  await context.close();
}

/** What was switched is told of, and a view is saved, found in another tab, and forgotten. */
async function kept(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 1400 } });
  const page = await world.open(context, "#/status");
  const told = () => page.evaluate(() => document.querySelector('table[aria-label="settings"]')?.innerText ?? "");
  check("status: what was switched is told of", await until(async () => /syscalls was switched on/.test(await told()) && /min_us was set/.test(await told()), 60), await told());
  await page.close();
  const name = "Caf\u00e9 <b>errors</b>", wanted = "#/requests?range=3600s&filter=status+%3E%3D+500";
  const menu = async (at) => { await until(() => at.evaluate(() => !!document.querySelector(".view")), 20); await at.click("text=views"); };
  const strange = await world.open(context, wanted);
  await menu(strange);
  await strange.fill("#view-name", name);
  await strange.click(".menu.views button[type=submit]");
  check("views: saving one needs the token", await until(() => strange.evaluate(() => /token/i.test(document.querySelector("dialog[open]")?.innerText ?? "")), 20));
  await strange.close();
  const trusted = await world.open(context, `#token=${readFileSync(`${work}/etc/token`, "utf8").trim()}`);
  await until(() => trusted.evaluate(() => !location.href.includes("token")), 10);
  await trusted.goto(`${base}${wanted}`);
  await menu(trusted);
  await trusted.fill("#view-name", name);
  await trusted.click(".menu.views button[type=submit]");
  const isThere = (at) => until(() => at.evaluate((text) => [...document.querySelectorAll(".saved a")].some((one) => one.innerText === text), name), 20);
  check("views: it is saved", await isThere(trusted));
  const other = await world.open(context, "#/overview");
  await menu(other);
  check("views: another tab has it", await isThere(other));
  await other.click(".saved a");
  check("views: and it leads there", await until(() => other.evaluate((hash) => location.hash === hash, wanted), 20), await other.evaluate(() => location.hash));
  await menu(other);
  await isThere(other);
  await other.click(".saved button");
  check("views: and is forgotten", await until(async () => (await api("v1/views")).views.length === 0, 20));
  check("views: no mistake meanwhile", trusted.mistakes.length + other.mistakes.length === 0, [...trusted.mistakes, ...other.mistakes].join("; "));
  await context.close();
}

/** The tree has the agent's worker under its broker. */
async function tree(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await world.open(context, "#/processes?by=tree&filter=process+%3D+sonde");
  const agent = await api("v1/status");
  const row = (pid) => page.evaluate((wanted) => { const found = [...document.querySelectorAll('table[aria-label="process tree"] tr[data-row]')].find((one) => one.cells[1].innerText.trim() === String(wanted)); return found ? parseFloat(found.querySelector(".branch").style.paddingLeft || "0") : null; }, pid);
  await until(async () => await row(agent.worker.pid) !== null, 60);
  const [parent, child] = [await row(agent.broker.pid), await row(agent.worker.pid)];
  check("processes: the tree has the worker under its broker", child !== null && parent !== null && child === parent + 16, `${parent} ${child}`);
  await context.close();
}

/** What a cell of the heat map counts is what a click on it shows. */
async function heatCell(world) {
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 1400 } });
  const page = await world.open(context, "#/service/nginx?range=15m");
  await until(() => page.evaluate(() => !!document.querySelector(".heat canvas")), 60);
  await page.waitForTimeout(1000); /* drawn in the next frames */
  const spot = await page.evaluate(() => { /* the darkest cell, by its colour */
    const canvas = document.querySelector(".heat canvas"), pen = canvas.getContext("2d"), { width, height } = canvas, data = pen.getImageData(0, 0, width, height).data;
    let best = 0, found = null;
    for (let y = 8; y < height - 26; y += 3) for (let x = 62; x < width - 12; x += 3) { const alpha = data[(y * width + x) * 4 + 3]; if (alpha > best && data[(y * width + x) * 4 + 2] > 120) { best = alpha; found = [x, y]; } }
    const rect = canvas.getBoundingClientRect();
    return found && { x: rect.left + found[0] * rect.width / width, y: rect.top + found[1] * rect.height / height };
  });
  if (spot) await page.mouse.click(spot.x, spot.y);
  check("heat map: a click on a cell leads to its requests", !!spot && await until(() => page.evaluate(() => location.hash.startsWith("#/requests?range=") && decodeURIComponent(location.hash).includes("duration_ns")), 20));
  /* where none of them was kept, the page leads to those around */
  const around = () => page.evaluate(() => { const link = [...document.querySelectorAll("main .state a")].find((one) => one.innerText === "Look around them"); link?.click(); return !!link; });
  check("heat map: and there are some", await until(async () => (await rows(page)).length > 0 || (await around(), false), 60), await page.evaluate(() => `${location.hash} ${document.querySelector("main").innerText.slice(0, 200)}`));
  await context.close();
}

export async function behaves(world) {
  await live(world);
  if (world.short) return;
  await switching(world);
  await kept(world);
  await tracing(world);
  await tree(world);
  await heatCell(world);
  await eightTabs(world);
}
