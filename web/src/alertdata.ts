// SPDX-License-Identifier: GPL-2.0-only
// alertdata - what fires: asked for by the views that show it, counted in the frame.
import { signal } from "@preact/signals";
import { ask, Refusal } from "./api";
import { condition } from "./filter";
import { addressOf } from "./place";

export interface Alert { labels: Record<string, string>; annotations: Record<string, string>; state: "pending" | "firing" | "inactive"; activeAt?: string; value?: string; }
export interface Rule { name: string; query: string; duration: number; labels: Record<string, string>; annotations: Record<string, string>; alerts: Alert[]; state?: string; health?: string; lastError?: string; type: string; }
export interface RuleGroup { name: string; file?: string; interval?: number; rules: Rule[]; }

export const firing = signal(0);
/** Null where the agent has no alerts. */
export async function askAlerts(stop?: AbortSignal): Promise<Alert[] | null> {
  try {
    const answer = await ask<{ data: { alerts: Alert[] } }>("api/v1/alerts", { signal: stop });
    firing.value = answer.data.alerts.filter((alert) => alert.state === "firing").length;
    return answer.data.alerts;
  } catch (error) {
    if (error instanceof Refusal && (error.status === 404 || error.status === 501)) return null;
    throw error;
  }
}
export const titleOf = (alert: { annotations: Record<string, string>; labels: Record<string, string> }) => alert.annotations.summary ?? alert.labels.alertname ?? "alert";
export const adviceOf = (alert: { annotations: Record<string, string> }) => alert.annotations.action ?? alert.annotations.description ?? "";

/** Where the reader sees it for himself: what the rule names, else what its labels say. */
export function evidenceOf(alert: Alert): string {
  const { view, filter } = alert.annotations;
  if (filter) return addressOf({ view: view === "connections" || view === "processes" || view === "events" ? view : "requests", filter });
  const whose = (["service", "container", "process"] as const).find((word) => alert.labels[word]);
  if (whose && /error/i.test(alert.labels.alertname ?? "")) return addressOf({ view: "requests", filter: `${condition(whose, "=", alert.labels[whose]!)} and error` });
  if (whose && /cpu|memory|oom|throttl|file/i.test(alert.labels.alertname ?? "")) return addressOf({ view: "processes", filter: condition(whose, "=", alert.labels[whose]!) });
  if (whose) return addressOf({ view: "service", name: alert.labels[whose] });
  if (alert.labels.item) return addressOf({ view: "items", open: alert.labels.item });
  return addressOf({ view: /cpu|memory|oom|disk|pressure/i.test(alert.labels.alertname ?? "") ? "processes" : "status" });
}
