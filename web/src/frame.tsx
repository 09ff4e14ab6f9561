// SPDX-License-Identifier: GPL-2.0-only
// frame - what stands around every view: its name and the others', the filter, the range of time, live or paused, keys.
import { useEffect, useRef } from "preact/hooks";
import { useSignal, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { ask, askAgent, items, status, trouble, wantsToken } from "./api";
import { FilterBox } from "./filterbox";
import { addressOf, COMPARES, go, isDark, paused, place, type Range, rangeName, setToken, switchTheme, token, type ViewName, VIEWS } from "./place";
import { say, sentence, toast } from "./parts";
import { ViewsMenu } from "./kept";
import { tableKey } from "./table";
import { absolute, clock } from "./units";
import { askAlerts, firing } from "./alertdata";
import { Overview } from "./overview";
import { Requests } from "./requests";
import { Items } from "./items";
import { StatusView } from "./status";
import { Service } from "./service";
import { MapView } from "./map";
import { Processes } from "./processes";
import { Connections } from "./connections";
import { Events } from "./events";
import { Alerts } from "./alerts";
import { Trace } from "./trace";

const TITLES: Record<ViewName, string> = {
  overview: "Overview", map: "Map", service: "Services", requests: "Requests", connections: "Connections",
  processes: "Processes", items: "Items", events: "Events", alerts: "Alerts", trace: "Trace", status: "Status",
};
const KEYS: Record<string, ViewName> = { o: "overview", m: "map", s: "service", r: "requests", c: "connections", p: "processes", i: "items", e: "events", a: "alerts", x: "trace", t: "status" };
const SHOWN: Record<ViewName, ComponentType> = {
  overview: Overview, map: MapView, service: Service, requests: Requests, connections: Connections, processes: Processes,
  items: Items, events: Events, alerts: Alerts, trace: Trace, status: StatusView,
};
const RANGES = [60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400];
const help = signal(false);

function Tabs() {
  const now = place.value.view;
  return <>{VIEWS.map((view) => <a key={view} href={addressOf({ view })} data-name={TITLES[view]} aria-current={view === now ? "page" : undefined}>
    {TITLES[view]}{view === "alerts" && firing.value > 0 && <span class="badge" title={`${firing.value} firing`}>{firing.value}</span>}</a>)}</>;
}

/** Closes what is open below `box` when somebody presses elsewhere. */
function useElsewhere(isOpen: { value: boolean }, box: { current: HTMLElement | null }) {
  useEffect(() => {
    if (!isOpen.value) return;
    const press = (event: PointerEvent) => { if (!box.current?.contains(event.target as Node)) isOpen.value = false; };
    const key = (event: KeyboardEvent) => { if (event.key === "Escape") { isOpen.value = false; event.stopPropagation(); } };
    addEventListener("pointerdown", press);
    addEventListener("keydown", key, true);
    return () => { removeEventListener("pointerdown", press); removeEventListener("keydown", key, true); };
  }, [isOpen.value]);
}

const localInput = (ms: number) => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 19);

function RangePicker() {
  const isOpen = useSignal(false), box = useRef<HTMLDivElement>(null);
  useElsewhere(isOpen, box);
  const range = place.value.range;
  const text = range.last ? rangeName(range) : `${clock(range.from!)} to ${clock(range.to!)}`;
  const choose = (to: Range) => { isOpen.value = false; go({ range: to }); };
  const apply = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const from = new Date(String(data.get("from"))).getTime(), to = new Date(String(data.get("to"))).getTime();
    if (from < to) choose({ from, to }); else say("The beginning has to be before the end.");
  };
  const end = range.last ? Date.now() : range.to!, begin = range.last ? end - range.last * 1000 : range.from!;
  return <div class="menu-box" ref={box}>
    <button type="button" class="control" aria-haspopup="true" aria-expanded={isOpen.value} title={range.last ? undefined : `${absolute(range.from!)} to ${absolute(range.to!)}`} onClick={() => { isOpen.value = !isOpen.value; }}>{text} <span aria-hidden="true">▾</span></button>
    {isOpen.value && <div class="menu">
      {RANGES.map((last) => <button type="button" key={last} aria-pressed={range.last === last} onClick={() => choose({ last })}>{rangeName({ last })}</button>)}
      <form onSubmit={apply}>
        <label>from<input type="datetime-local" step="1" name="from" defaultValue={localInput(begin)} required /></label>
        <label>to<input type="datetime-local" step="1" name="to" defaultValue={localInput(end)} required /></label>
        <button type="submit">show this time</button>
      </form>
    </div>}
  </div>;
}

export function pressLive() {
  if (!place.value.range.last) { paused.value = false; go({ range: { last: 900 } }); return; }
  paused.value = !paused.value;
}

function Head() {
  const live = !!place.value.range.last && !paused.value;
  const losses = Object.keys(status.value?.losses ?? {}).length;
  return <header class="head">
    <div class="head-row">
      <a class="brand" href={addressOf({ view: "overview" })}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 9h3l2-6 3 11 2-7 1 2h3" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round" /></svg>sonde</a>
      <nav class="tabs" aria-label="views"><Tabs /></nav>
      <span class="space" />
      <FilterBox />
    </div>
    <div class="head-row">
      <span class="node-name dim cut" title={status.value ? `sonde ${status.value.version}` : undefined}><bdi>{status.value?.node ?? ""}</bdi></span>
      {losses > 0 && <a class="warn wide-only" href={addressOf({ view: "status" })}>losses in {losses === 1 ? "one item" : `${losses} items`}</a>}
      <span class="space" />
      <ViewsMenu />
      <button type="button" class="control" aria-pressed={live} title="live or paused ( . )" onClick={pressLive}><span class={`dot${live ? "" : " off"}`} />{live ? "live" : place.value.range.last ? "paused" : "past"}</button>
      <RangePicker />
      <label class="wide-only control" title="with what figures are compared">compare: <select aria-label="compare with" class="plain-select" value={place.value.compare} onChange={(event) => go({ compare: COMPARES.find((one) => one === event.currentTarget.value) })}>
        <option value="previous">previous</option><option value="hour">hour before</option><option value="day">day before</option><option value="week">week before</option><option value="none">nothing</option></select></label>
      <button type="button" class="control plain" aria-label={isDark.value ? "light colours" : "dark colours"} title={isDark.value ? "light colours" : "dark colours"} onClick={switchTheme}>{isDark.value ? "☀" : "☾"}</button>
      <button type="button" class="control plain wide-only" aria-label="keys" title="keys ( ? )" onClick={() => { help.value = true; }}>?</button>
    </div>
  </header>;
}

function Dialog({ title, close, children }: { title: string; close: () => void; children: preact.ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => { box.current?.showModal(); }, []);
  return <dialog ref={box} aria-label={title} onClose={close} onClick={(event) => { if (event.target === box.current) box.current!.close(); }}><h2>{title}</h2>{children}</dialog>;
}

function Help() {
  const key = (name: string, what: string) => [<span key={name}>{name.split(" ").map((part) => <kbd key={part}>{part}</kbd>)}</span>, <span key={what}>{what}</span>];
  return <Dialog title="Keys" close={() => { help.value = false; }}>
    <div class="keys-help">
      {key("/", "filter")}{Object.entries(KEYS).map(([letter, view]) => key(`g ${letter}`, TITLES[view].toLowerCase()))}
      {key("↑ ↓", "move in the list")}{key("Enter", "open")}{key("Esc", "close")}{key(".", "pause, go on")}{key("d", "dark, light")}{key("?", "these keys")}
    </div>
    <p class="dim" style={{ marginTop: 14, fontSize: 12 }}>Drag over a chart: zoom all. Double click: back. The address holds view, time and filter: send it on.</p>
  </Dialog>;
}

function TokenDialog() {
  const typed = useSignal(""), wrong = useSignal("");
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    setToken(typed.value.trim());
    try { await ask("v1/status"); wantsToken.value = false; say("The token is right."); void askAgent(); } catch (error) { setToken(""); wrong.value = (error as Error).message; }
  };
  return <Dialog title="This needs the token" close={() => { wantsToken.value = false; }}>
    <form onSubmit={send} style={{ display: "grid", gap: 10 }}>
      <p class="dim">Reading is free on this machine; what changes the agent is not. The token stands in the agent's <code>token_file</code> (usually /etc/sonde/token), and in the address it printed at its first start.</p>
      <div class="field"><label for="token">token</label><input id="token" type="password" autocomplete="off" value={typed.value} onInput={(event) => { typed.value = event.currentTarget.value; }} /></div>
      {wrong.value && <p class="bad" role="alert">{sentence(wrong.value)}</p>}
      <div class="buttons"><button type="submit" class="control primary">Use it</button><button type="button" class="control" onClick={() => { wantsToken.value = false; }}>Cancel</button></div>
    </form>
  </Dialog>;
}

let waitsForView = 0;
function onKey(event: KeyboardEvent) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const from = event.target as HTMLElement;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(from.tagName);
  if (event.key === "Escape") {
    if (typing) { from.blur(); return; }
    if (place.value.open) { event.preventDefault(); go({ open: "" }); }
    return;
  }
  if (typing) return;
  if (performance.now() - waitsForView < 1200 && KEYS[event.key]) { waitsForView = 0; event.preventDefault(); go({ view: KEYS[event.key] }); return; }
  waitsForView = 0;
  switch (event.key) {
    case "/": event.preventDefault(); document.getElementById("filter")?.focus(); return;
    case "g": waitsForView = performance.now(); return;
    case "?": help.value = true; return;
    case ".": pressLive(); return;
    case "d": switchTheme(); return;
    case "ArrowDown": case "ArrowUp": case "Enter":
      if (from === document.body && tableKey(event.key)) event.preventDefault();
  }
}

export function Frame() {
  useEffect(() => {
    void askAgent();
    const timer = setInterval(() => void askAgent(), 2000);
    const slow = setInterval(() => { if (!document.hidden) askAlerts().catch(() => 0); }, 15000);
    addEventListener("keydown", onKey);
    return () => { clearInterval(timer); clearInterval(slow); removeEventListener("keydown", onKey); };
  }, [token.value]);
  useEffect(() => { document.title = `${TITLES[place.value.view]}${place.value.name ? ` ${place.value.name}` : ""} - ${status.value?.node ?? ""} sonde`; }, [place.value.view, place.value.name, status.value?.node]);
  useEffect(() => { document.querySelector(".bottom a[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" }); }, [place.value.view]);
  const View = SHOWN[place.value.view];
  const off = items.value.length > 0 && status.value && !status.value.ready;
  return <div class="frame">
    <Head />
    <div role="status">{trouble.value ? <div class="notice bad">{trouble.value} What is shown is what was known before; it is asked again every two seconds.</div>
      : off ? <div class="notice">The agent is starting: no data flows yet.</div> : null}</div>
    <main class="body"><View key={place.value.view} /></main>
    <nav class="bottom" aria-label="views"><Tabs /></nav>
    {help.value && <Help />}
    {wantsToken.value && <TokenDialog />}
    <div role="status">{toast.value && <div class="toast">{toast.value}</div>}</div>
  </div>;
}
