// SPDX-License-Identifier: GPL-2.0-only
// units - numbers as people read them: three digits that matter and a unit, always of the same width in a column.

const NONE = "-";

function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.9995) return value.toFixed(2);
  return value.toPrecision(2).includes("e") ? value.toExponential(1) : value.toPrecision(2);
}

function scaled(value: number, step: number, names: string[]): string {
  let at = 0;
  while (Math.abs(value) >= step * 0.9995 && at < names.length - 1) { value /= step; at++; }
  const text = threeDigits(value);
  return names[at] ? `${text}\u202f${names[at]}` : text;
}

export const isKnown = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

export const count = (value?: number | null) => isKnown(value) ? Number.isInteger(value) && Math.abs(value) < 1000 ? String(value) : scaled(value, 1000, ["", "k", "M", "G", "T"]) : NONE;
export const bytes = (value?: number | null) => isKnown(value) ? Number.isInteger(value) && Math.abs(value) < 1000 ? `${value}\u202fB` : scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]) : NONE;
export const bytesRate = (value?: number | null) => isKnown(value) ? `${bytes(value)}/s` : NONE;
export const perSecond = (value?: number | null) => isKnown(value) ? `${count(value)}/s` : NONE;
/** A share of 1. */
export const percent = (value?: number | null) =>
  isKnown(value) ? `${value !== 0 && Math.abs(value) < 0.0005 ? "<0.1" : threeDigits(Number((value * 100).toFixed(value < 0.0995 ? 2 : 1)))}\u202f%` : NONE;

export function duration(ns?: number | null): string {
  if (!isKnown(ns)) return NONE;
  const size = Math.abs(ns);
  if (size < 1e3) return `${Math.round(ns)}\u202fns`;
  if (size < 999.5e3) return `${threeDigits(ns / 1e3)}\u202fµs`;
  if (size < 999.5e6) return `${threeDigits(ns / 1e6)}\u202fms`;
  if (size < 120e9) return `${threeDigits(ns / 1e9)}\u202fs`;
  if (size < 7200e9) return `${Math.round(ns / 60e9)}\u202fmin`;
  if (size < 172800e9) return `${Math.round(ns / 3600e9)}\u202fh`;
  return `${Math.round(ns / 86400e9)}\u202fdays`;
}
export const seconds = (value?: number | null) => isKnown(value) ? duration(value * 1e9) : NONE;
/** Processors in use: thousandths, so that a column of them stands straight. */
export const cores = (value?: number | null) => isKnown(value) ? `${value === 0 ? "0" : Math.abs(value) < 0.0005 ? "<0.001" : Math.abs(value) < 0.9995 ? value.toFixed(3) : threeDigits(value)}\u202fcpu` : NONE;

export const plural = (amount: number, one: string, many = `${one}s`) => `${count(amount)} ${amount === 1 ? one : many}`;

/** "14:02:07.123", with the date where it is not today. */
export function clock(ms: number, digits = 0): string {
  const when = new Date(ms), today = new Date();
  const two = (value: number) => String(value).padStart(2, "0");
  let text = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
  if (digits) text += `.${String(when.getMilliseconds()).padStart(3, "0").slice(0, digits)}`;
  return when.toDateString() === today.toDateString() ? text : `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${text}`;
}
export const absolute = (ms: number) => new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");

export function ago(ms: number, now = Date.now()): string {
  const past = (now - ms) / 1000;
  if (past < 1) return "now";
  if (past < 60) return `${Math.floor(past)}\u202fs ago`;
  if (past < 3600) return `${Math.floor(past / 60)}\u202fmin ago`;
  if (past < 172800) return `${Math.floor(past / 3600)}\u202fh ago`;
  return `${Math.floor(past / 86400)}\u202fdays ago`;
}

/** What a column's name says about its unit. */
export function ofColumn(name: string, value: unknown): string {
  if (value === undefined || value === null) return NONE;
  if (typeof value === "number") {
    if (/_ns($|_)/.test(name) || name.endsWith("_ns")) return duration(value);
    if (/bytes$/.test(name)) return bytes(value);
    if (/percent$/.test(name)) return `${threeDigits(value)}\u202f%`;
    if (/(^|_)(pid|tid|uid|port|netns|ppid)$/.test(name)) return String(value);
    return Number.isInteger(value) && Math.abs(value) < 100000 ? String(value) : count(value);
  }
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** Text of others: control bytes and marks of direction are shown, not obeyed. */
export const shown = (text: string) =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => c === "\t" ? " " : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
