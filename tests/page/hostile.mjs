// SPDX-License-Identifier: GPL-2.0-only
// hostile - names that anybody can give: markup, scripts, control bytes, other directions of writing, 4 KiB. They are shown as text, run
// nothing, load nothing, and break no view.
import { copyFileSync } from "node:fs";
import http from "node:http";
import { api, check, run, start, until, work } from "./kit.mjs";

const PATHS = [
  "/<script>window.owned=1</script>", '/"><img src=x onerror="window.owned=2">', "/x' onmouseover='window.owned=3", "/javascript:window.owned=4", "/{{constructor.constructor('window.owned=5')()}}",
  "/%3Csvg%20onload=window.owned=6%3E", "/\u202egnp.exe", `/${"A".repeat(4000)}`, "/%00%01%1b[31m", "/]]>--><style>*{display:none}</style>",
];
const ask = (path) => new Promise((resolve) => {
  const request = http.request({ host: "127.0.0.1", port: process.env.NGINX_PORT, path: "/", headers: { "X-Request-Id": "<b id=owned>7</b>" } }, (answer) => { answer.resume(); answer.on("end", resolve); });
  request.path = Buffer.from(path, "utf8").toString("latin1"); /* as no browser would send it */
  request.on("error", resolve);
  request.end();
});

export async function hostileNames(world) {
  for (const name of ["<img onerror=x>", "<b id=owned>", "\u202eevil"]) { /* 15 bytes and less: the name of a process */
    const program = `${work}/${name}`;
    copyFileSync("/bin/sleep", program);
    await run(program, ["0.01"]);
    await run(program, ["<script>window.owned=8</script>"]).catch(() => 0);
  }
  for (const path of PATHS) await ask(path);
  const seen = await until(async () => JSON.stringify(await api(`v1/records/exec?${new URLSearchParams({ order: "desc", limit: "200", source: "recent", filter: 'process ~ "onerror"' })}`)).includes("onerror=x"), 60);
  check("hostile: the names are in the history", seen);
  const context = await world.browser.newContext({ viewport: { width: 1280, height: 800 } });
  for (const view of world.short ? ["overview", "requests", "events"] : world.VIEWS) {
    const page = await world.open(context, `#/${view}?range=5m${view === "events" ? `&filter=${encodeURIComponent('process ~ "[<>\u202e]"')}` : ""}`);
    await world.settled(page, view);
    if (view === "requests") for (const path of PATHS) await ask(path);
    if (view === "events") check("hostile: events show the very name", await until(() => page.evaluate(() => document.querySelector("main").innerText.includes("<img onerror=x>") || document.querySelector("main").innerText.includes("<b id=owned>")), 30));
    if (view === "requests") await until(() => page.evaluate(() => document.querySelectorAll("tr[data-row]").length > 3), 20);
    const state = await page.evaluate(() => ({
      owned: window.owned, elements: document.querySelectorAll("#owned, main img, main script, main style").length,
      wide: document.documentElement.scrollWidth - innerWidth, hidden: getComputedStyle(document.querySelector("main")).display === "none",
    }));
    check(`hostile: ${view} shows names as text and keeps its shape`, state.owned === undefined && !state.elements && state.wide <= 0 && !state.hidden && !page.mistakes.length, JSON.stringify({ ...state, mistakes: page.mistakes }));
    await page.close();
  }
  const lives = start(`${work}/<b id=owned>`, ["600"]); /* one that the tree of processes has */
  const tree = await world.open(context, `#/processes?by=tree&filter=${encodeURIComponent('process ~ "id=owned"')}`);
  check("hostile: the tree shows the very name", await until(() => tree.evaluate(() => document.querySelector("main").innerText.includes("<b id=owned>") && !document.getElementById("owned")), 60));
  await tree.close();
  lives.kill();
  for (const hash of ["#/trace?program=</textarea><script>window.owned=1</script>", "#/service/<img src=x onerror=window.owned=1>", "#/service/%E2%80%AEevil", `#/requests?filter=${encodeURIComponent("target = \"</script><script>window.owned=1</script>\"")}`, `#/items?open=${"A".repeat(4000)}`, "#/requests?open=<b id=owned>", "#/nothing?range=zzz&filter=((("].slice(world.short ? 5 : 0)) {
    const page = await world.open(context, hash);
    await until(() => page.evaluate(() => !!document.querySelector(".view")), 20);
    const state = await page.evaluate(() => ({ owned: window.owned, elements: document.querySelectorAll("#owned, main img, main script").length, wide: document.documentElement.scrollWidth - innerWidth }));
    check(`hostile: address ${hash.slice(0, 40)}`, state.owned === undefined && !state.elements && state.wide <= 0 && !page.mistakes.length, JSON.stringify({ ...state, mistakes: page.mistakes }));
    await page.close();
  }
  await context.close();
}
