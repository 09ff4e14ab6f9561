// SPDX-License-Identifier: GPL-2.0-only
// The page of the first version: what the agent says of itself, and live records. Everything the agent sends is put in
// as text, never as markup: names of processes come from anybody.
"use strict";

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const wanted = new URLSearchParams(location.hash.slice(1));
const before = new Map(); // item -> [time in ms, events emitted], for rates

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
}

function duration(ns) {
  const s = ns / 1e9;
  if (s < 120) return `${number.format(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}

async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error}; ${body.hint}`);
  return body;
}

function rate(item, now) {
  const events = item.events && item.events.emitted;
  if (typeof events !== "number") return "-";
  const last = before.get(item.name);
  before.set(item.name, [now, events]);
  if (!last || now <= last[0] || events < last[1]) return "-";
  return number.format((events - last[1]) / ((now - last[0]) / 1000));
}

function showStatus(status) {
  const parts = [status.node, `version ${status.version}`, `up ${duration(status.uptime_ns)}`];
  if (status.items) parts.push(`${status.items.on} items on, ${status.items.off} off, ${status.items.skipped} skipped`);
  $("summary").textContent = parts.filter(Boolean).join(" · ");
  $("summary").className = "";
  const losses = Object.entries(status.losses || {});
  $("losses-section").hidden = losses.length === 0;
  $("losses").replaceChildren(...losses.map(([item, count]) => {
    const li = document.createElement("li");
    li.textContent = `${item}: ${number.format(count)} events lost`;
    return li;
  }));
}

function showItems(items) {
  const now = performance.now();
  const body = document.createElement("tbody");
  body.id = "items";
  for (const item of items) {
    const row = body.insertRow();
    cell(row, item.name);
    cell(row, item.wing || "");
    cell(row, item.state || (item.on ? "on" : "off"), item.state || "");
    cell(row, item.on ? rate(item, now) : "", "number");
    cell(row, item.events && item.events.lost ? number.format(item.events.lost) : "", "number");
    cell(row, item.series ? number.format(item.series) : "", "number");
    cell(row, item.reason ? `${item.help || ""} (${item.reason})` : item.help || "");
  }
  $("items").replaceWith(body);
  offer(items.filter((item) => item.on).map((item) => item.name));
}

function offer(names) {
  const select = $("live-item");
  const offered = [...select.options].slice(1).map((option) => option.value);
  if (offered.join() === names.join()) return;
  const chosen = select.value || wanted.get("item");
  select.replaceChildren(select.options[0], ...names.map((name) => new Option(name, name)));
  select.value = names.includes(chosen) ? chosen : "";
  if (select.value && !source) watch();
}

async function refresh() {
  try {
    const [status, items] = await Promise.all([ask("v1/status"), ask("v1/items")]);
    showStatus(status);
    showItems(items.items);
  } catch (error) {
    $("summary").textContent = `the agent does not answer: ${error.message}`;
    $("summary").className = "bad";
  }
}

// ---- live records; what is watched stands in the address: #item=exec&filter=... ----

const ROWS = 50;
let source = null;
let columns = [];
let picture = []; // rows of one reading, until it is whole

function resetTable() {
  columns = [];
  picture = [];
  $("live").hidden = true;
  $("live").tHead.replaceChildren();
  $("live").tBodies[0].replaceChildren();
}

function learnColumns(record) {
  const fresh = Object.keys(record).filter((key) => !columns.includes(key) && key !== "item" && key !== "node");
  if (fresh.length === 0) return;
  columns.push(...fresh);
  const row = document.createElement("tr");
  for (const name of columns) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = name;
    row.append(th);
  }
  $("live").tHead.replaceChildren(row);
  $("live").hidden = false;
}

function rowOf(record) {
  learnColumns(record);
  const row = document.createElement("tr");
  for (const name of columns) {
    const value = record[name];
    cell(row, value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value),
         typeof value === "number" ? "number" : "");
  }
  return row;
}

function watch() {
  if (source) source.close();
  source = null;
  resetTable();
  $("live-note").textContent = "";
  const item = $("live-item").value;
  const query = new URLSearchParams({ item });
  if ($("live-filter").value) query.set("filter", $("live-filter").value);
  history.replaceState(null, "", item ? `#${query}` : "#");
  if (!item) return;
  source = new EventSource(`v1/stream?${query}`);
  source.onopen = () => { $("live-note").textContent = ""; };
  source.onerror = async () => {
    if (!source || source.readyState !== EventSource.CLOSED) return;
    try { await ask(`v1/stream?${query}`); } catch (error) { $("live-note").textContent = error.message; }
  };
  source.addEventListener(item, (event) => {
    const record = JSON.parse(event.data);
    picture.push(record);
    if (picture.length > 500) picture.shift();
    if (!source.readsRows) requestShow();
  });
  source.addEventListener("rows", () => {
    source.readsRows = true;
    const body = $("live").tBodies[0];
    body.replaceChildren(...picture.slice(0, ROWS).map(rowOf));
    picture = [];
  });
  source.addEventListener("lost", (event) => {
    $("live-note").textContent = `this page was too slow for ${JSON.parse(event.data).lost} records`;
  });
}

let showing = false;
function requestShow() {
  if (showing) return;
  showing = true;
  requestAnimationFrame(() => {
    showing = false;
    if (!source || source.readsRows) return;
    const body = $("live").tBodies[0];
    for (const record of picture.splice(0)) body.prepend(rowOf(record));
    while (body.rows.length > ROWS) body.deleteRow(-1);
  });
}

$("live-filter").value = wanted.get("filter") || "";
$("live-item").addEventListener("change", watch);
$("live-filter").addEventListener("change", watch);
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 2000);
