// SPDX-License-Identifier: GPL-2.0-only
// parts - small pieces that all views share: states, the phase bar, facts, the pane beside a list.
import type { ComponentChildren } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Refusal, status } from "./api";
import { type Phase, PHASES, PHASE_NAMES } from "./red";
import { absolute, ago, bytes, clock, duration, ofColumn, shown } from "./units";
import { withCondition } from "./filter";
import { addressOf, go, place, span } from "./place";

/** Text of others: isolated, with control bytes shown. */
export const Name = ({ text, cut = 200 }: { text: unknown; cut?: number }) => {
  const whole = shown(String(text ?? "-"));
  return <bdi title={whole.length > cut ? `${whole.slice(0, 1000)}` : undefined}>{whole.length > cut ? `${whole.slice(0, cut)}…` : whole}</bdi>;
};

const GLYPHS: Record<string, string> = { http: "H", http2: "2", grpc: "G", postgresql: "P", mysql: "M", redis: "R", memcached: "C", dns: "D", tls: "T" };
export const Glyph = ({ protocol }: { protocol?: string }) =>
  protocol ? <span class="glyph" title={protocol} aria-label={protocol} role="img">{GLYPHS[protocol] ?? protocol[0]?.toUpperCase()}</span> : null;

export const When = ({ ms, digits = 0, relative = false }: { ms: number; digits?: number; relative?: boolean }) =>
  <time dateTime={new Date(ms).toISOString()} title={relative ? absolute(ms) : `${ago(ms)} · ${absolute(ms)}`}>{relative ? ago(ms) : clock(ms, digits)}</time>;

// ---- states ----

export const Skeleton = ({ lines = 6 }: { lines?: number }) =>
  <div class="skeleton" role="status" aria-label="loading">{Array.from({ length: lines }, (_, at) => <i key={at} style={{ width: `${92 - (at * 37) % 55}%` }} />)}</div>;

export const State = ({ title, children }: { title: string; children?: ComponentChildren }) =>
  <div class="state"><strong>{title}</strong>{children}</div>;

export const Failed = ({ error, low = false }: { error: Refusal; low?: boolean }) =>
  <div class={`state${low ? " low" : ""}`} role="alert"><strong class="bad">{sentence(error.message)}</strong>{error.hint && <p>{sentence(error.hint)}</p>}</div>;

/** Since when there is something, where the chosen time lies before that. */
export function Since({ table }: { table: string }) {
  const from = Date.parse(status.value?.store?.tables.find((one) => one.name === table)?.from ?? "");
  return Number.isFinite(from) && from > span.value.from ? <p>The history of this begins <When ms={from} />.</p> : null;
}

export const sentence = (text: string) => text ? `${text[0]!.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "";

/** What of the filter could not be asked here. */
export const NotAsked = ({ left, of }: { left: string[]; of: string }) =>
  left.length ? <p class="filter-note">Not applied to {of}: <span class="mono">{left.join(" and ")}</span></p> : null;

export const toast = signal("");
let toastTimer: ReturnType<typeof setTimeout>;
export function say(text: string) { toast.value = text; clearTimeout(toastTimer); toastTimer = setTimeout(() => { toast.value = ""; }, 4000); }
export async function copy(text: string) {
  try { await navigator.clipboard.writeText(text); say("Copied."); } catch { say("The browser does not let this page copy."); }
}

// ---- phases ----

/** Where the time goes, as shares of the whole. `ns` by phase; `whole` is the duration, if it is more than their sum. */
export function PhaseBar({ phases, whole }: { phases: Partial<Record<Phase, number>>; whole?: number }) {
  const sum = PHASES.reduce((total, phase) => total + (phases[phase] ?? 0), 0);
  const all = Math.max(sum, whole ?? 0);
  if (!(all > 0)) return <span class="faint">-</span>;
  const says = PHASES.filter((phase) => phases[phase]).map((phase) => `${PHASE_NAMES[phase]} ${duration(phases[phase])} (${Math.round(phases[phase]! / all * 100)} %)`).join(", ");
  return <div class="phases" role="img" aria-label={says} title={says}>
    {PHASES.map((phase) => phases[phase] ? <i key={phase} class={`p-${phase}`} style={{ width: `${phases[phase]! / all * 100}%` }} /> : null)}
  </div>;
}
export const PhaseKey = () =>
  <div class="phase-key">{PHASES.map((phase) => <span key={phase}><i class={`p-${phase}`} />{PHASE_NAMES[phase]}</span>)}</div>;

// ---- facts ----

const isTime = (name: string, value: unknown) => (name === "time" || name === "opened" || name === "closed" || name.endsWith("_time")) && typeof value === "string";
export const cellText = (name: string, value: unknown): string =>
  isTime(name, value) ? clock(Date.parse(String(value)), 3) : shown(ofColumn(name, value));

/** Names and values of a record; a click on a value makes a filter of it. */
export function Facts({ of, names, filters = true }: { of: Record<string, unknown>; names?: string[]; filters?: boolean }) {
  const present = (names ?? Object.keys(of)).filter((name) => of[name] !== undefined && of[name] !== null);
  return <dl class="facts">{present.map((name) => {
    const value = of[name], text = cellText(name, value);
    const canFilter = filters && typeof value !== "object" && !isTime(name, value);
    const raw = typeof value === "number" && text !== String(value) ? `${value}` : undefined;
    return [<dt key={`${name} `}>{name}</dt>, <dd key={name} class={typeof value === "number" ? "mono" : ""} title={raw ?? (isTime(name, value) ? String(value) : undefined)}>
      {canFilter ? <button type="button" class="link" title={`only where ${name} is this${raw ? ` (${raw})` : ""}`}
        onClick={() => go({ filter: withCondition(place.value.filter, name, "=", value as string | number) })}><bdi>{text}</bdi></button> : <bdi>{text}</bdi>}
    </dd>];
  })}</dl>;
}
export const Bytes = ({ value }: { value?: number }) => <>{bytes(value)}</>;

// ---- the pane beside a list ----

export function Pane({ title, children, close = () => go({ open: "" }) }: { title: ComponentChildren; children: ComponentChildren; close?: () => void }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => { if (box.current) box.current.scrollTop = 0; }, [place.value.open]);
  return <aside class="pane" ref={box} aria-label="details" tabIndex={0}>
    <div class="pane-head"><h2 class="cut">{title}</h2><button type="button" class="control plain" aria-label="close details" title="close (Esc)" onClick={close}>✕</button></div>
    <div class="pane-body">{children}</div>
  </aside>;
}

export const Section = ({ title, note, link, children }: { title: string; note?: ComponentChildren; link?: { text: string; to: string }; children: ComponentChildren }) =>
  <section aria-label={title}><div class="section-head"><h2>{title}</h2>{note && <span class="dim">{note}</span>}{link && <a href={link.to}>{link.text}</a>}</div>{children}</section>;

export function Figure({ what, value, change, bad }: { what: string; value: string; change?: ComponentChildren; bad?: boolean }) {
  return <div class="figure"><div class="what">{what}</div><div class={`value${bad ? " bad" : ""}`}>{value}</div><div class="change">{change ?? "\u00a0"}</div></div>;
}

export const toService = (name: string) => addressOf({ view: "service", name });
export const toRequests = (filter: string) => addressOf({ view: "requests", filter });
