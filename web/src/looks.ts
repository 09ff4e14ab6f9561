// SPDX-License-Identifier: GPL-2.0-only
// looks - what stands out, as sentences, each with the way to its evidence: what is wrong now, and what is other than before.
import { adviceOf, type Alert, evidenceOf, titleOf } from "./alertdata";
import { instant, type Labels, rateWindow, type Sample, status } from "./api";
import { condition } from "./filter";
import { HOST } from "./host";
import { addressOf, place, type Place } from "./place";
import { nameOf, PHASES, PHASE_NAMES, type Red, selector, WHO } from "./red";
import { toRequests, toService } from "./parts";
import { bytesRate, cores, count, duration, percent, plural } from "./units";

export type Level = "bad" | "warn" | "better" | "other";
export interface Link { text: string; to: string; }
export interface Look { key: string; level: Level; says: string; hint?: string; links: Link[]; also?: { says: string; link: Link }[]; size?: number; }

const ns = (seconds?: number) => duration(seconds === undefined ? undefined : seconds * 1e9);
const whose = (labels: Labels, ...conditions: string[]) => {
  const who = WHO.find((word) => labels[word]);
  return [...(who ? [condition(who, "=", labels[who]!)] : []), ...conditions].join(" and ");
};
const levelOf = (alert: Alert): Level => alert.labels.severity === "warning" || alert.labels.severity === "info" ? "warn" : "bad";

/** Alerts of one rule are one thing to look at, with what to do said once. */
export function fromAlerts(alerts: Alert[]): Look[] {
  const byRule = new Map<string, Alert[]>();
  for (const alert of alerts) byRule.set(alert.labels.alertname ?? "", [...byRule.get(alert.labels.alertname ?? "") ?? [], alert]);
  return [...byRule].map(([rule, list]): Look => {
    list.sort((a, b) => Number(b.value ?? 0) - Number(a.value ?? 0));
    const [first, ...rest] = list;
    return { key: `alert ${rule}`, level: list.some((alert) => levelOf(alert) === "bad") ? "bad" : "warn", says: titleOf(first!), hint: adviceOf(first!),
      links: [{ text: "see the evidence", to: evidenceOf(first!) }, { text: "see alert", to: addressOf({ view: "alerts" }) }], also: rest.map((alert) => ({ says: titleOf(alert), link: { text: "see the evidence", to: evidenceOf(alert) } })) };
  });
}

/** Is it said by an alert already? */
const isTold = (alerts: Alert[], kind: RegExp, name?: string) => alerts.some((alert) => kind.test(alert.labels.alertname ?? "") && (name === undefined || WHO.some((word) => alert.labels[word] === name)));

/** What is wrong at this moment, beside what rules say. */
export function wrongNow(reds: Red[], alerts: Alert[], host: { oom: Sample[]; space: Sample[] }): Look[] {
  const looks: Look[] = [];
  for (const red of reds) {
    const name = nameOf(red.labels), share = red.errors / red.rate;
    if (share < 0.05 || isTold(alerts, /^RequestErrors/, name)) continue;
    looks.push({ key: `errors ${name} ${red.labels.protocol}`, level: "bad", says: `${name}: ${percent(share)} of its ${red.labels.protocol} requests fail`, hint: `${count(red.errors)} of ${count(red.rate)} requests a second`,
      links: [{ text: "see requests", to: toRequests(whose(red.labels, "error")) }, { text: "see service", to: toService(name) }] });
  }
  const killed = host.oom[0]?.value ?? 0;
  if (killed >= 0.5 && !isTold(alerts, /Oom/)) looks.push({ key: "oom", level: "bad", says: `${plural(Math.round(killed), "process was", "processes were")} killed for want of memory`, links: [{ text: "see events", to: addressOf({ view: "events", filter: "signal = SIGKILL" }) }] });
  if (!isTold(alerts, /^Disk(Nearly)?Full/)) for (const one of host.space) looks.push({ key: `space ${one.labels.mount}`, level: one.value < 0.05 ? "bad" : "warn", says: `${one.labels.mount} has ${percent(one.value)} of its space left`, links: [] });
  const losses = Object.entries(place.value.range.last && !isTold(alerts, /Los[tse]/) ? status.value?.losses ?? {} : {});
  for (const [item, lost] of losses) looks.push({ key: `lost ${item}`, level: "warn", says: `${item}: ${plural(lost, "event was", "events were")} lost in sonde itself`, hint: "figures of this item are too low by that", links: [{ text: "see status", to: addressOf({ view: "status" }) }] });
  const store = status.value?.store;
  if (store && store.mode !== "writes") looks.push({ key: "store", level: "warn", says: `the history is not written: ${store.reason ?? store.mode}`, links: [{ text: "see status", to: addressOf({ view: "status" }) }] });
  return looks.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
}

// ---- what changed ----

export interface Compared { labels: Labels; now?: Red; before?: Red; }
const LITTLE = 0.2; /* requests a second: less is not spoken of */

const times = (by: number) => by >= 10 ? `${count(Math.round(by))} times` : `${Number(by.toPrecision(2))} times`;
const grown = (now: Red, before: Red) => PHASES.map((phase) => ({ phase, by: (now.phases[phase] ?? 0) - (before.phases[phase] ?? 0), from: before.phases[phase] ?? 0, to: now.phases[phase] ?? 0 })).sort((a, b) => b.by - a.by)[0]!;

function changeOf({ labels, now, before }: Compared, seconds: number): Look[] {
  const name = nameOf(labels), what = `${labels.protocol} requests`, service: Link = { text: "see service", to: toService(name) };
  if (!now || !before) {
    const there = now ?? before;
    if (!there || there.rate < LITTLE) return [];
    return [{ key: `new ${name} ${labels.protocol}`, level: "other", size: Math.log10(1 + there.rate), links: now ? [service] : [{ text: "see service", to: addressOf({ view: "service", name, range: { last: 7200 } }) }],
      says: now ? `${name}: ${what} began, ${count(now.rate)}/s` : `${name}: no ${what} any more`, hint: now ? "there were none before" : `${count(before!.rate)}/s before` }];
  }
  const looks: Look[] = [], few = now.rate * seconds < 50 || before.rate < LITTLE;
  const ratio = now.rate / before.rate, slower = (now.p99 ?? 0) / (before.p99 || 1e-9), share = now.errors / now.rate, shareBefore = before.errors / before.rate;
  if (Math.max(now.rate, before.rate) >= 1 && (ratio >= 1.5 || ratio <= 0.67)) looks.push({ key: `rate ${name} ${labels.protocol}`, level: ratio < 0.3 ? "warn" : "other", size: Math.abs(Math.log2(ratio)),
    says: `${name}: ${what} ${ratio > 1 ? `${times(ratio)} as many` : `down to ${percent(ratio)}`}`, hint: `${count(before.rate)}/s → ${count(now.rate)}/s`, links: [service] });
  if (few) return looks;
  if (Math.abs(share - shareBefore) >= 0.01) looks.push({ key: `share ${name} ${labels.protocol}`, level: share > shareBefore ? "bad" : "better", size: 2 + Math.abs(share - shareBefore) * 20,
    says: `${name}: ${share > shareBefore ? "more" : "fewer"} ${what} fail`, hint: `${percent(shareBefore)} → ${percent(share)}`, links: [{ text: "see requests", to: toRequests(whose(labels, "error")) }, service] });
  if (before.p99 && now.p99 && Math.abs(now.p99 - before.p99) >= 0.001 && (slower >= 1.5 || slower <= 0.5)) {
    const most = grown(now, before);
    looks.push({ key: `slow ${name} ${labels.protocol}`, level: slower >= 5 && now.p99 >= 0.05 ? "bad" : slower > 1 ? "warn" : "better", size: Math.abs(Math.log2(slower)) * Math.min(1, Math.log10(1 + now.rate) / 2) + 3 * Math.min(1, now.p99),
      says: `${name}: ${what} ${slower > 1 ? `${times(slower)} as slow` : "faster"}`, hint: `p99 ${ns(before.p99)} → ${ns(now.p99)}${slower > 1 && most.by > 0 ? `; most of it in ${PHASE_NAMES[most.phase]}, ${ns(most.from)} → ${ns(most.to)} on average` : ""}`,
      links: [{ text: "see requests", to: toRequests(whose(labels, `duration_ns >= ${Math.round(Math.max(now.p99 * 0.5, before.p99) * 1e6)}us`)) }, { text: "see phases", to: toService(name) }] });
  }
  return looks;
}

export interface Times { from: number; to: number; thenFrom: number; thenTo: number; }
interface Pair { now?: number; then?: number; }

/** The machine and its processes in both times. */
export async function askMachine({ from, to, thenFrom, thenTo }: Times, stop: AbortSignal) {
  const over = [[from, to], [thenFrom, thenTo]].map(([begin, end]) => `[${Math.max(rateWindow(1), Math.round((end! - begin!) / 1000))}s]`);
  /* what is too much to be asked of this machine is not spoken of */
  const told = (query: string, at: number) => instant(query, at, stop).catch((error: Error) => { if (error.name === "AbortError") throw error; return [] as Sample[]; });
  const both = async (query: (over: string) => string) => {
    const [now, then] = await Promise.all([told(query(over[0]!), to), told(query(over[1]!), thenTo)]);
    return { now, then };
  };
  const one = async (query: (over: string) => string): Promise<Pair> => { const { now, then } = await both(query); return { now: now[0]?.value, then: then[0]?.value }; };
  const [cpu, memory, disk, network, processes] = await Promise.all([one(HOST.cpu), one(HOST.memory), one(HOST.disk), one(HOST.network), both((range) => `sum by (process,container) (rate(sonde_cpu_seconds_total${selector()}${range})) > 0.02`)]);
  return { cpu, memory, disk, network, processes };
}
export type MachineThen = Awaited<ReturnType<typeof askMachine>>;

function machineChanges({ cpu, memory, disk, network, processes }: MachineThen): Look[] {
  const looks: Look[] = [], to = (view: Place["view"]): Link => ({ text: "see processes", to: addressOf({ view }) });
  const share = (what: string, { now, then }: Pair, least: number) => {
    if (now === undefined || then === undefined || Math.abs(now - then) < least) return;
    looks.push({ key: what, level: now > then && now > 0.9 ? "warn" : "other", size: Math.abs(now - then) * 6, says: `${what} of the machine ${now > then ? "up" : "down"}`, hint: `${percent(then)} → ${percent(now)}`, links: [to("processes")] });
  };
  const rate = (what: string, { now, then }: Pair) => {
    if (now === undefined || then === undefined || Math.max(now, then) < 1 << 20 || (now / then < 2 && then / now < 2)) return;
    looks.push({ key: what, level: "other", size: Math.abs(Math.log2((now + 1) / (then + 1))) * 0.7, says: `${what} ${now > then ? "up" : "down"}`, hint: `${bytesRate(then)} → ${bytesRate(now)}`, links: [to("processes")] });
  };
  share("CPU use", cpu, 0.15);
  share("memory use", memory, 0.05);
  rate("bytes to and from disks", disk);
  rate("bytes through the network", network);
  const keyOf = (sample: Sample) => `${sample.labels.process ?? "-"}\u0001${sample.labels.container ?? ""}`, before = new Map(processes.then.map((sample) => [keyOf(sample), sample.value]));
  for (const sample of processes.then.length ? processes.now : []) {
    const then = before.get(keyOf(sample)) ?? 0;
    if (sample.value - then < 0.15 || sample.value < then * 1.5) continue;
    looks.push({ key: `cpu ${keyOf(sample)}`, level: "other", size: (sample.value - then) * 4, says: `${sample.labels.process ?? "-"} uses more CPU`, hint: then ? `${cores(then)} → ${cores(sample.value)}` : `${cores(sample.value)}, nearly none before`, links: [{ text: "see process", to: addressOf({ view: "processes", open: keyOf(sample) }) }] });
  }
  return looks;
}

const RANK: Record<Level, number> = { bad: 0, warn: 1, other: 2, better: 3 };
export function changes(compared: Compared[], machine: MachineThen | undefined, seconds: number): Look[] {
  return [...compared.flatMap((one) => changeOf(one, seconds)), ...(machine ? machineChanges(machine) : [])].sort((a, b) => RANK[a.level] - RANK[b.level] || (b.size ?? 0) - (a.size ?? 0));
}
