// SPDX-License-Identifier: GPL-2.0-only
// red - rate, errors, durations and phases of services, out of the metrics of the item `requests`.
//
// A service is called as its records are: by `service` (Kubernetes) where it has one, else its container, else its process. All
// figures are those of the chosen range.
import { type Labels, type Sample, grid, instant, rateWindow, stepFor, type Grid } from "./api";
import { matchers, parse } from "./filter";
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

const identity = (labels: Labels, by: readonly string[]) => by.map((word) => labels[word] ?? "").join("\u0001");

function join(by: readonly string[], counts: Sample[], fill: [Sample[], (red: Red, sample: Sample) => void][]): Red[] {
  const found = new Map<string, Red>();
  for (const sample of counts) {
    if (!(sample.value > 0)) continue;
    found.set(identity(sample.labels, by), { labels: sample.labels, rate: sample.value, errors: 0, phases: {} });
  }
  for (const [samples, put] of fill) for (const sample of samples) {
    const red = found.get(identity(sample.labels, by));
    if (red && Number.isFinite(sample.value)) put(red, sample);
  }
  return [...found.values()].sort((a, b) => b.rate - a.rate);
}

/** RED by these labels over the range: the series that match `match`. */
export async function redBy(by: readonly string[], match: string, fromMs: number, toMs: number, stop: AbortSignal): Promise<Red[]> {
  const over = `[${Math.max(1, Math.round((toMs - fromMs) / 1000))}s]`, at = selector(match), names = by.join(",");
  const ask = (query: string) => instant(query, toMs, stop);
  const quantile = (q: number) => ask(`histogram_quantile(${q}, sum by (${names},le) (rate(sonde_request_duration_seconds_bucket${at}${over})))`);
  const [counts, errors, p50, p90, p99, sums, phases] = await Promise.all([
    ask(`sum by (${names}) (rate(sonde_request_duration_seconds_count${at}${over}))`),
    ask(`sum by (${names}) (rate(sonde_request_errors_total${at}${over}))`),
    quantile(0.5), quantile(0.9), quantile(0.99),
    ask(`sum by (${names}) (rate(sonde_request_duration_seconds_sum${at}${over}))`),
    ask(`sum by (${names},phase) (rate(sonde_request_phase_seconds_sum${at}${over}))`),
  ]);
  return join(by, counts, [
    [errors, (red, sample) => { red.errors = sample.value; }],
    [p50, (red, sample) => { red.p50 = sample.value; }],
    [p90, (red, sample) => { red.p90 = sample.value; }],
    [p99, (red, sample) => { red.p99 = sample.value; }],
    [sums, (red, sample) => { red.mean = sample.value / red.rate; }],
    [phases, (red, sample) => {
      const phase = sample.labels.phase as Phase;
      if (PHASES.includes(phase)) red.phases[phase] = sample.value / red.rate;
    }],
  ]);
}

export const EMPTY: Grid = { times: [], series: [] };
export const stepOf = (fromMs: number, toMs: number, points = 120) => {
  const step = stepFor(fromMs, toMs, points);
  return { step, over: `[${rateWindow(step)}s]` };
};
export const ranged = (query: string, fromMs: number, toMs: number, step: number, stop: AbortSignal) => grid(query, fromMs, toMs, step, stop);
