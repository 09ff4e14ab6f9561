// SPDX-License-Identifier: GPL-2.0-only
// red - rate, errors, durations and phases of services, out of the summaries that the item `requests` leaves in the history.
//
// A service is called as its records are: by `service` (Kubernetes) where it has one, else its container, else its process. All
// figures are those of the chosen range.
import { ask, type Labels, grid, rateWindow, stepFor, type Grid } from "./api";
import { applicable, matchers, parse } from "./filter";
import { place } from "./place";

export const WHO = ["service", "container", "process"] as const;
export const LABELS = ["service", "container", "pod", "namespace", "process", "node", "protocol", "side", "operation", "resource", "status"];
export const PHASES = ["send", "network", "queue", "process", "download"] as const;
export type Phase = typeof PHASES[number];
export const PHASE_NAMES: Record<Phase, string> = { send: "send", network: "network", queue: "queue", process: "processing", download: "download" };

export const nameOf = (labels: Labels) => labels.service || labels.container || labels.process || "-";
export const whoOf = (labels: Labels) => WHO.map((word) => labels[word] ?? "").join("\u0001");

/** Matchers for the service called `name`: whichever of its three names it is. */
export function matchersOf(labels: Labels): string {
  return WHO.map((word) => `${word}=${JSON.stringify(labels[word] ?? "")}`).join(",");
}

export interface Filtered { matchers: string; left: string[]; }
/** The page's filter, as far as metrics can be asked it. */
export function filterForMetrics(labels: readonly string[] = LABELS): Filtered {
  try {
    const found = matchers(parse(place.value.filter), labels);
    return { matchers: found.text, left: found.left };
  } catch { return { matchers: "", left: [] }; }
}

export const selector = (...parts: string[]) => { const all = parts.filter(Boolean).join(","); return all ? `{${all}}` : ""; };

export interface Red {
  labels: Labels; rate: number; errors: number; p50?: number; p90?: number; p99?: number; mean?: number;
  phases: Partial<Record<Phase, number>>; /* seconds per request */
}

/** What records of kind `request_summary` can be asked. */
export const SUMMARY_COLUMNS = ["process", "service", "container", "container_id", "image", "pod", "namespace", "node", "exe", "uid", "pid", "cgroup", "transport", "side", "protocol", "operation", "resource",
  "status", "error", "remote_name", "remote_addr", "remote_port", "local_port", "port", "addr", "target", "path", "tls"];
const SUMMARY = "kind = request_summary";

/** The page's filter, as far as summed-up requests can be asked it; what can't is in `left`. */
export const filterForFigures = () => applicable(place.value.filter, SUMMARY_COLUMNS);
export const and = (...parts: (string | undefined)[]) => parts.filter(Boolean).map((part) => /\bor\b/.test(part!) ? `(${part})` : part).join(" and ");

interface Group { time?: string; count: number; errors?: number; [column: string]: unknown; }
interface GroupsAnswer { groups: Group[]; all: number; oldest?: string; partial?: string; }

export async function groups(item: string, by: readonly string[], filter: string, fromMs: number, toMs: number, stop: AbortSignal, step = 0, limit = 2000): Promise<GroupsAnswer> {
  const words = new URLSearchParams({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), limit: String(limit) });
  if (by.length) words.set("by", by.join(","));
  if (filter) words.set("filter", filter);
  if (step) words.set("step", `${step}s`);
  return ask<GroupsAnswer>(`v1/groups/${item}?${words}`, { signal: stop });
}

const NS = 1e9;
/** Phases of one request on average, in seconds. A client waits for the network and for the server's work. */
function phasesOf(group: Group): Partial<Record<Phase, number>> {
  const mean = (name: string) => typeof group[name] === "number" ? (group[name] as number) / group.count / NS : 0;
  const network = Math.min(mean("network_ns_sum"), mean("wait_ns_sum"));
  return { send: mean("send_ns_sum"), network, queue: mean("queue_ns_sum"), process: mean("process_ns_sum") + mean("wait_ns_sum") - network, download: mean("download_ns_sum") };
}

function redOf(group: Group, by: readonly string[], seconds: number): Red {
  const labels: Labels = {};
  for (const word of by) if (group[word] !== undefined) labels[word] = String(group[word]);
  const time = (name: string) => typeof group[name] === "number" ? (group[name] as number) / NS : undefined;
  return { labels, rate: group.count / seconds, errors: (group.errors ?? 0) / seconds, p50: time("duration_ns_p50"), p90: time("duration_ns_p90"), p99: time("duration_ns_p99"),
    mean: typeof group.duration_ns_sum === "number" ? group.duration_ns_sum / group.count / NS : undefined, phases: phasesOf(group) };
}

/** RED by these columns over the range, of what matches. */
export async function redBy(by: readonly string[], filter: string, fromMs: number, toMs: number, stop: AbortSignal): Promise<Red[]> {
  const answer = await groups("requests", by, and(SUMMARY, filter), fromMs, toMs, stop);
  return answer.groups.filter((group) => group.count > 0).map((group) => redOf(group, by, (toMs - fromMs) / 1000)).sort((a, b) => b.rate - a.rate);
}

/** RED of two ranges, group by group; one that is only in one of them has no figures in the other. */
export async function redCompared(by: readonly string[], filter: string, at: { from: number; to: number; thenFrom: number; thenTo: number }, stop: AbortSignal) {
  const words = new URLSearchParams({ from: new Date(at.from).toISOString(), to: new Date(at.to).toISOString(), against_from: new Date(at.thenFrom).toISOString(), against_to: new Date(at.thenTo).toISOString(), by: by.join(","), filter: and(SUMMARY, filter), limit: "2000" });
  const answer = await ask<{ groups: (Group & { before?: Group })[] }>(`v1/groups/requests?${words}`, { signal: stop });
  return answer.groups.map((group) => ({ labels: redOf(group, by, 1).labels, now: group.count ? redOf(group, by, (at.to - at.from) / 1000) : undefined,
    before: group.before?.count ? redOf({ ...group.before }, by, (at.thenTo - at.thenFrom) / 1000) : undefined }));
}

/** The same for each step of time. Summaries come every ten seconds: no step is shorter. */
export async function redSteps(by: readonly string[], filter: string, fromMs: number, toMs: number, stop: AbortSignal, points = 90) {
  const step = Math.max(10, stepFor(fromMs, toMs, points)), times: number[] = [];
  const from = Math.floor(fromMs / 1000 / step) * step, to = Math.ceil(toMs / 1000 / step) * step;
  for (let at = from; at < to; at += step) times.push(at);
  const answer = await groups("requests", by, and(SUMMARY, filter), fromMs, toMs, stop, step, 20000);
  const lines = new Map<string, { labels: Labels; reds: (Red | null)[] }>();
  for (const group of answer.groups) {
    const red = redOf(group, by, step), key = by.map((word) => red.labels[word] ?? "").join("\u0001");
    let line = lines.get(key);
    if (!line) lines.set(key, line = { labels: red.labels, reds: new Array(times.length).fill(null) });
    const at = Math.round((Date.parse(group.time!) / 1000 - from) / step);
    if (at >= 0 && at < times.length) line.reds[at] = red;
  }
  return { times, step, lines: [...lines.values()], oldest: answer.oldest ? Date.parse(answer.oldest) : undefined };
}

export const EMPTY: Grid = { times: [], series: [] };
export const stepOf = (fromMs: number, toMs: number, points = 120) => {
  const step = stepFor(fromMs, toMs, points);
  return { step, over: `[${rateWindow(step)}s]` };
};
export const ranged = (query: string, fromMs: number, toMs: number, step: number, stop: AbortSignal) => grid(query, fromMs, toMs, step, stop);
