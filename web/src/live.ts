// SPDX-License-Identifier: GPL-2.0-only
// live - this tab's end of the browser's one stream (worker.ts).
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { matches, parse, type Row } from "./filter";
import { place, token } from "./place";

type Sink = (rows: Row[], whole: boolean) => void;
interface Message { state?: { open: boolean; error: string; lost: number }; item?: string; texts?: string[]; left?: number; filtered?: boolean; }

export const stream = signal({ open: false, error: "", lost: 0 });
/** Records that came but were more than could be shown. */
export const leftOut = signal(0);

let port: { postMessage(message: unknown): void } | null = null;
const sinks = new Map<symbol, { items: string; filter: string; sink: Sink; on: boolean }>();

function open() {
  if (port) return port;
  const hear = (event: MessageEvent<Message>) => receive(event.data);
  if (typeof SharedWorker !== "undefined") {
    const shared = new SharedWorker("worker.js", { name: "sonde" });
    shared.port.onmessage = hear;
    port = shared.port;
  } else {
    const own = new Worker("worker.js");
    own.onmessage = hear;
    port = own;
  }
  addEventListener("pagehide", () => port?.postMessage({ gone: true }));
  addEventListener("pageshow", (event) => { if (event.persisted) wish(); });
  setInterval(() => port?.postMessage({ alive: true }), 20000);
  return port;
}

function wish() {
  const all = [...sinks.values()];
  if (!all.length && !port) return;
  const filters = new Set(all.map((one) => one.filter));
  open().postMessage({
    token: token.value,
    wish: all.length ? { item: [...new Set(all.flatMap((one) => one.items.split(",")))].sort().join(","), filter: filters.size === 1 ? [...filters][0] : "", on: all.some((one) => one.on) } : null,
  });
}

const HELD_MOST = 8;
const held: Message[] = [];
document.addEventListener("visibilitychange", () => { if (!document.hidden) for (const message of held.splice(0)) receive(message); });

function receive(message: Message) {
  if (message.state) { stream.value = message.state; return; }
  if (document.hidden) { /* nobody looks: kept as texts, the newest few */
    held.push(message);
    if (held.length > HELD_MOST) leftOut.value += held.shift()!.texts!.length;
    return;
  }
  leftOut.value += message.left ?? 0;
  for (const { items, filter, sink } of sinks.values()) {
    if (!items.split(",").includes(message.item!)) continue;
    let node = null;
    try { node = message.filtered && sinks.size === 1 ? null : parse(filter); } catch { continue; }
    let rows: Row[] = [];
    for (const text of message.texts!) {
      if (text === "rows") { sink(rows, true); rows = []; continue; }
      const row = JSON.parse(text) as Row;
      if (matches(node, row)) rows.push(row);
    }
    if (rows.length) sink(rows, false);
  }
}

/** Live records of these items while the view is there and its range ends now. `whole`: the rows of one reading end here.
 *  `switchOn`: what is off runs for as long (needs the token). */
export function useLive(items: string, filter: string, sink: Sink, on = true, switchOn = false) {
  const newest = useRef(sink);
  newest.current = sink;
  const follows = on && !!place.value.range.last;
  useEffect(() => {
    if (!follows || !items) return;
    const key = Symbol(items);
    stream.value = { open: false, error: "", lost: 0 };
    sinks.set(key, { items, filter, on: switchOn, sink: (rows, whole) => newest.current(rows, whole) });
    wish();
    return () => { sinks.delete(key); wish(); };
  }, [items, filter, follows, switchOn, token.value]);
}
