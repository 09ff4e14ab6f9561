// SPDX-License-Identifier: GPL-2.0-only
// api - asks the agent: its own paths, and PromQL over its history.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { beat, place, span, token } from "./place";

export class Refusal extends Error {
  constructor(message: string, readonly hint: string, readonly status: number) { super(message); }
}
/** What is wrong with the agent as a whole, for the line under the head; "" = it answers. */
export const trouble = signal("");
/** Somebody has to type the token. */
export const wantsToken = signal(false);

export async function ask<T>(path: string, options: { method?: string; body?: unknown; signal?: AbortSignal } = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method: options.method ?? "GET", headers, signal: options.signal, cache: "no-store",
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    trouble.value = "The agent does not answer.";
    throw new Refusal("the agent does not answer", "is it running? `systemctl status sonde`", 0);
  }
  trouble.value = "";
  const text = await answer.text();
  let body: { error?: string; hint?: string; errorType?: string } | undefined;
  try { body = text ? JSON.parse(text) : undefined; } catch { /* a command's output is no JSON */ }
  if (!answer.ok) {
    if (answer.status === 401) wantsToken.value = true;
    throw new Refusal(body?.error ?? `the agent answered ${answer.status}`, body?.hint ?? "", answer.status);
  }
  return (body ?? text) as T;
}

// ---- PromQL ----

export type Labels = Record<string, string>;
export interface Sample { labels: Labels; value: number; }
export interface Series { labels: Labels; values: (number | null)[]; }
export interface Grid { times: number[]; series: Series[]; } /* times: seconds since 1970 */

interface PromAnswer { data: { result: { metric: Labels; value?: [number, string]; values?: [number, string][] }[] }; }

const numberOf = (text: string) => text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);

export async function instant(query: string, atMs: number, stop?: AbortSignal): Promise<Sample[]> {
  const words = new URLSearchParams({ query, time: (atMs / 1000).toFixed(3) });
  const answer = await ask<PromAnswer>(`api/v1/query?${words}`, { signal: stop });
  return answer.data.result.map((one) => ({ labels: one.metric, value: numberOf(one.value![1]) }));
}

/** Steps that are round, so that the same moments are asked for again and again. */
export function stepFor(fromMs: number, toMs: number, points = 120): number {
  const least = (toMs - fromMs) / 1000 / points;
  return [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].find((step) => step >= least) ?? 86400 * 7;
}

export async function grid(query: string, fromMs: number, toMs: number, step: number, stop?: AbortSignal): Promise<Grid> {
  const from = Math.ceil(fromMs / 1000 / step) * step, to = Math.max(from, Math.floor(toMs / 1000 / step) * step);
  const words = new URLSearchParams({ query, start: String(from), end: String(to), step: String(step) });
  const answer = await ask<PromAnswer>(`api/v1/query_range?${words}`, { signal: stop });
  const times: number[] = [];
  for (let at = from; at <= to; at += step) times.push(at);
  const series = answer.data.result.map((one) => {
    const values: (number | null)[] = new Array(times.length).fill(null);
    for (const [at, text] of one.values!) {
      const value = numberOf(text);
      if (Number.isFinite(value)) values[Math.round((at - from) / step)] = value;
    }
    return { labels: one.metric, values };
  });
  return { times, series };
}

// ---- in views ----

export interface Asked<T> { data?: T; error?: Refusal; loading: boolean; }

/** Asks when `key` changes, and again with each beat; what was there stays until the answer has come. */
export function useAsk<T>(key: string, work: (stop: AbortSignal) => Promise<T>, follow = true): Asked<T> {
  const state = useSignal<Asked<T>>({ loading: true });
  const running = useRef<{ key: string; stop: AbortController } | null>(null);
  const begin = () => {
    if (running.current?.key === key) return; /* the last one is not through: a slow agent is not asked faster */
    running.current?.stop.abort();
    const mine = { key, stop: new AbortController() };
    running.current = mine;
    work(mine.stop.signal).then(
      (data) => { if (running.current === mine) { running.current = null; state.value = { data, loading: false }; } },
      (error: Error) => {
        if (running.current !== mine) return;
        running.current = null;
        if (error.name === "AbortError") return;
        const refusal = error instanceof Refusal ? error : new Refusal(error.message, "", 0);
        state.value = { data: state.peek().data, error: refusal, loading: false };
      });
  };
  const last = useRef("");
  useEffect(() => {
    if (last.current !== key && last.current) state.value = { ...state.peek(), loading: true };
    last.current = key;
    begin();
  }, [key, follow ? beat.value : 0, token.value]);
  useEffect(() => () => { running.current?.stop.abort(); running.current = null; }, []);
  return state.value;
}

/** What an answer over the chosen range depends on, apart from the beat. */
export const rangeKey = () => { const range = place.value.range; return range.last ? `last ${range.last}` : `${range.from}..${range.to}`; };

// ---- the agent itself ----

export interface StoreTable { name: string; rows: number; bytes: number; from?: string; to?: string; }
export interface Status {
  version: string; node: string; ready: boolean; uptime_ns: number;
  broker: { pid: number; cpu_seconds: number; resident_bytes: number }; worker: { pid: number; cpu_seconds: number; resident_bytes: number };
  items: { on: number; off: number; skipped: number; asleep?: number }; skipped: { name: string; reason: string }[]; losses: Record<string, number>;
  store?: {
    mode: string; path: string; bytes: number; limit_bytes: number; interval_ns: number; machine_interval_ns?: number; memory_bytes: number; series: number; reason?: string;
    records: Record<string, number>; samples: Record<string, number>; tables: StoreTable[];
  };
  [key: string]: unknown;
}
/** What an item that sleeps waits for: docs/armed.md. */
export interface Armed { when: string; state: "asleep" | "awake" | "cooling"; awake_ns: number; cooldown_ns: number; left_ns?: number; wakes: number; }
export interface Item {
  name: string; wing: string; state: string; on: boolean; builtin: boolean; default: boolean; help: string; reason?: string;
  armed?: Armed; settings: Record<string, unknown>; hooks: { hook: string; section?: string; reason?: string }[];
  events: Record<string, number> & { lost_by_reason?: Record<string, number> }; series: number; runs?: number; ns_per_run?: number;
}
export interface Column { name: string; hidden?: boolean; type: string; unit?: string; help?: string; }
export interface Parameter { name: string; option: string; type: string; default: unknown; help: string; }
interface Kind { kind?: string; columns?: Column[]; }
export interface ItemWhole extends Item {
  rows_first?: boolean; records?: Kind[]; rows?: Kind[]; /* layouts that are written in C */
  description?: { params?: Parameter[]; events?: Kind[]; sources?: Kind[]; ring?: boolean; filter?: boolean; by?: boolean };
}
/** All columns that records and rows of the item may have. */
export function columnsOfItem(item?: ItemWhole, kind?: string): Column[] {
  const kinds = [...item?.records ?? [], ...item?.rows ?? [], ...item?.description?.events ?? [], ...item?.description?.sources ?? []];
  const chosen = kind && kinds.some((one) => one.kind === kind) ? kinds.filter((one) => one.kind === kind) : kinds;
  return [...new Map(chosen.flatMap((one) => one.columns ?? []).map((column) => [column.name, column])).values()];
}

export const status = signal<Status | undefined>(undefined);
export const items = signal<Item[]>([]);

/** What an item does at this moment. The kernel counts runs and their time only while the agent samples them, a second now and then. */
export interface ItemRates { events?: number; runs?: number; cpu?: number; lost?: number; }
export const itemRates = signal<Record<string, ItemRates>>({});
interface Cost { name: string; runs: number; run_ns: number; }
let lookBefore: { at: number; items: Map<string, Item> } | undefined;
let costBefore = { sampled: 0, items: new Map<string, Cost>() };

function learnRates(list: Item[], own?: { stats_sampled_ns?: number; items: Cost[] }) {
  const at = performance.now(), past = lookBefore, rates = { ...itemRates.value };
  lookBefore = { at, items: new Map(list.map((item) => [item.name, item])) };
  for (const item of list) {
    const then = past?.items.get(item.name), seconds = (at - (past?.at ?? at)) / 1000;
    if (!item.on) { delete rates[item.name]; continue; }
    if (!then || seconds < 0.5) continue;
    const per = (now = 0, before = 0) => Math.max(0, now - before) / seconds;
    rates[item.name] = { ...rates[item.name], events: per(item.events.emitted, then.events.emitted), lost: per(item.events.lost, then.events.lost) };
  }
  const sampled = own?.stats_sampled_ns ?? 0;
  if (own && sampled > costBefore.sampled) {
    for (const cost of own.items) {
      const then = costBefore.items.get(cost.name), seconds = (sampled - costBefore.sampled) / 1e9;
      if (cost.runs >= (then?.runs ?? 0)) rates[cost.name] = { ...rates[cost.name], runs: (cost.runs - (then?.runs ?? 0)) / seconds, cpu: (cost.run_ns - (then?.run_ns ?? 0)) / 1e9 / seconds };
    }
    costBefore = { sampled, items: new Map(own.items.map((cost) => [cost.name, cost])) };
  }
  itemRates.value = rates;
}

/** Both are asked for by the frame, for all views: also while the page is paused, but never while nobody looks. */
export async function askAgent() {
  if (document.hidden) return;
  try {
    const [now, list, own] = await Promise.all([ask<Status>("v1/status"), ask<{ items: Item[] }>("v1/items"),
      place.value.view === "items" ? ask<{ stats_sampled_ns?: number; items: Cost[] }>("v1/self").catch(() => undefined) : undefined]);
    status.value = now;
    learnRates(list.items, own);
    items.value = list.items;
  } catch { /* `trouble` says it */ }
}

/** How far a rate has to look back so that two samples lie in it. */
export const rateWindow = (step: number) => {
  const interval = (status.value?.store?.interval_ns ?? 15e9) / 1e9;
  return Math.max(step, Math.ceil(interval * 4));
};
/** The same for what tells of the machine as a whole, which comes more often: as long as the history has it as it came. */
export const machineWindow = (step: number, fromMs: number) => {
  const store = status.value?.store, since = Date.parse(store?.tables.find((table) => table.name === "samples")?.from ?? "");
  return store?.machine_interval_ns && since <= fromMs ? Math.max(step, Math.ceil(store.machine_interval_ns / 1e9 * 4)) : rateWindow(step);
};
export const window = () => ({ from: span.value.from, to: span.value.to, seconds: Math.max(1, Math.round((span.value.to - span.value.from) / 1000)) });
