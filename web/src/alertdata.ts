// SPDX-License-Identifier: GPL-2.0-only
// alertdata - what fires: asked for by the views that show it, counted in the frame.
import { signal } from "@preact/signals";
import { ask, Refusal } from "./api";

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
