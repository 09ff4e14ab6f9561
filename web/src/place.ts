// SPDX-License-Identifier: GPL-2.0-only
// place - where the reader is: view, range of time, filter, what is open. All of it stands in the address, so each view can be
// sent to somebody; range and filter stay when the view changes.
import { computed, effect, signal } from "@preact/signals";

export type ViewName = "overview" | "map" | "service" | "requests" | "connections" | "processes" | "items" | "events" | "alerts" | "trace" | "status";
export interface Range { last?: number; from?: number; to?: number; } /* seconds; or ms since 1970 */
export interface Place { view: ViewName; name: string; range: Range; filter: string; compare: Compare; open: string; more: Record<string, string>; }
export type Compare = "previous" | "hour" | "day" | "week" | "none";
export const COMPARES: Compare[] = ["previous", "hour", "day", "week", "none"];

export const VIEWS: ViewName[] = ["overview", "map", "service", "requests", "connections", "processes", "items", "events", "alerts", "trace", "status"];
const USUAL_RANGE = 900;

const rangeText = (range: Range) => range.last ? `${range.last}s` : `${Math.round(range.from!)}..${Math.round(range.to!)}`;

function rangeOf(text: string | null): Range {
  const last = /^(\d+)([smhd])?$/.exec(text ?? "");
  if (last) {
    const size = { s: 1, m: 60, h: 3600, d: 86400 }[last[2] ?? "s"]!;
    return { last: Math.min(Math.max(Number(last[1]) * size, 30), 366 * 86400) };
  }
  const span = /^(\d{10,14})\.\.(\d{10,14})$/.exec(text ?? "");
  if (span && Number(span[1]) < Number(span[2])) return { from: Number(span[1]), to: Number(span[2]) };
  return { last: USUAL_RANGE };
}

function read(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  const words = new URLSearchParams(query);
  const more: Record<string, string> = {};
  for (const [key, value] of words) if (!["range", "filter", "open", "compare"].includes(key)) more[key] = value;
  let name = rest.join("/");
  try { name = decodeURIComponent(name); } catch { /* as it stands */ }
  return {
    view: VIEWS.includes(view as ViewName) ? view as ViewName : "overview", name, range: rangeOf(words.get("range")),
    filter: words.get("filter") ?? "", compare: COMPARES.find((one) => one === words.get("compare")) ?? "previous", open: words.get("open") ?? "", more,
  };
}

export function addressOf(to: Partial<Place>): string {
  const now = place.value;
  const view = to.view ?? now.view;
  const range = to.range ?? now.range, filter = to.filter ?? now.filter, compare = to.compare ?? now.compare;
  const name = to.name ?? (to.view && to.view !== now.view ? "" : now.name);
  const open = to.open ?? (to.view ? "" : now.open);
  const more = to.more ?? (to.view ? {} : now.more);
  const words = new URLSearchParams();
  if (range.last !== USUAL_RANGE) words.set("range", rangeText(range));
  if (filter) words.set("filter", filter);
  if (compare !== "previous") words.set("compare", compare);
  if (open) words.set("open", open);
  for (const [key, value] of Object.entries(more)) if (value) words.set(key, value);
  const query = words.toString();
  return `#/${view}${name ? `/${encodeURIComponent(name)}` : ""}${query ? `?${query}` : ""}`;
}

// #token=... comes from the address the agent prints: it is kept for this browser and taken out of the address
const TOKEN_KEY = "sonde-token";
export const token = signal("");
try { token.value = localStorage.getItem(TOKEN_KEY) ?? ""; } catch { /* no storage: for this tab only */ }
export function setToken(text: string) {
  token.value = text;
  try { if (text) localStorage.setItem(TOKEN_KEY, text); else localStorage.removeItem(TOKEN_KEY); } catch { /* as above */ }
}
function takeToken() {
  const given = /^#token=([\x21-\x7e]{16,256})$/.exec(location.hash);
  if (!given) return;
  setToken(decodeURIComponent(given[1]!));
  history.replaceState(null, "", "#/overview");
}
takeToken();

export const place = signal<Place>(read(location.hash));
addEventListener("hashchange", () => { takeToken(); place.value = read(location.hash); });

export function go(to: Partial<Place>, replace = false) {
  const address = addressOf(to);
  if (address === location.hash) return;
  if (replace) history.replaceState(null, "", address); else history.pushState(null, "", address);
  place.value = read(address);
}
addEventListener("popstate", () => { place.value = read(location.hash); });

// ---- time ----

export const paused = signal(false);
export const isLive = computed(() => !!place.value.range.last && !paused.value);
/** Goes on while the page is live and seen; what depends on it asks again. */
export const beat = signal(Date.now());
/** How often: every second over the last minute, every five over the last five, and a long range changes slowly. */
const beatMs = computed(() => { const ms = (place.value.range.last ?? 0) * 1000; return Math.max(1000, Math.min(5000, ms / 60), ms / 360); });
let timer: ReturnType<typeof setInterval> | undefined;
effect(() => {
  clearInterval(timer);
  if (!isLive.value) return;
  const every = beatMs.value;
  beat.value = Date.now();
  timer = setInterval(() => { if (!document.hidden) beat.value = Date.now(); }, every);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && isLive.value) beat.value = Date.now(); });

/** The range as two moments, in ms. */
export const span = computed(() => {
  const range = place.value.range;
  const to = range.last ? beat.value : range.to!;
  return { from: range.last ? to - range.last * 1000 : range.from!, to };
});
export const spanSeconds = computed(() => Math.max(1, (span.value.to - span.value.from) / 1000));

/** How far back lies what the range is compared with, in seconds; 0: with nothing. */
export const compareSeconds = computed(() => ({ previous: Math.round(spanSeconds.value), hour: 3600, day: 86400, week: 604800, none: 0 })[place.value.compare]);
export const compareName = computed(() => ({ previous: "the time before", hour: "an hour before", day: "a day before", week: "a week before", none: "" })[place.value.compare]);

export function zoom(fromMs: number, toMs: number) {
  if (toMs - fromMs < 2000) { const middle = (fromMs + toMs) / 2; fromMs = middle - 1000; toMs = middle + 1000; }
  go({ range: { from: Math.round(fromMs), to: Math.round(toMs) } });
}
export const rangeName = (range: Range) => {
  if (!range.last) return "";
  const last = range.last;
  return last % 86400 === 0 ? `last ${last / 86400} d` : last % 3600 === 0 ? `last ${last / 3600} h` : last % 60 === 0 ? `last ${last / 60} min` : `last ${last} s`;
};

// ---- look ----

const THEME_KEY = "sonde-theme";
export const theme = signal<"" | "light" | "dark">("");
try { theme.value = (localStorage.getItem(THEME_KEY) ?? "") as ""; } catch { /* the system's */ }
const systemDark = matchMedia("(prefers-color-scheme: dark)");
export const systemIsDark = signal(systemDark.matches);
systemDark.addEventListener("change", (event) => { systemIsDark.value = event.matches; });
export const isDark = computed(() => theme.value ? theme.value === "dark" : systemIsDark.value);
effect(() => { document.documentElement.dataset.theme = isDark.value ? "dark" : "light"; });
export function switchTheme() {
  theme.value = isDark.value ? "light" : "dark";
  try { localStorage.setItem(THEME_KEY, theme.value); } catch { /* for this time */ }
}
