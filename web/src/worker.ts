// SPDX-License-Identifier: GPL-2.0-only
// worker - the one live stream of this browser. All tabs of the page say here what they want to see; the union is asked of the
// agent once, whatever the number of tabs (a browser opens six connections to a server, and each stream would take one).
//
// Records are handed on as the texts they came as, twice a second, and only the newest of them where there are more than
// anybody could read; how many were left out is said. If all tabs want the same filter, the agent applies it; else each tab does.

interface Wish { item: string; filter: string; on?: boolean; /* items that are off run as long as this is wished */ }
interface Tab { port: MessagePort; wish: Wish | null; seen: number; }
const BATCH_MS = 500, BATCH_MOST = 600, SILENT_MS = 60000;

const tabs = new Set<Tab>();
let token = "";
let running: { key: string; stop: AbortController; filter: string } | null = null;
let batch = new Map<string, { texts: string[]; left: number }>();
let state = { open: false, error: "", lost: 0 };
let retryMs = 500;

const tell = (message: unknown) => { for (const tab of tabs) if (tab.wish) tab.port.postMessage(message); };
const tellState = () => tell({ state });

setInterval(() => {
  for (const tab of tabs) if (Date.now() - tab.seen > SILENT_MS) { tabs.delete(tab); choose(); }
  if (!batch.size) return;
  const whole = batch;
  batch = new Map();
  for (const tab of tabs) {
    if (!tab.wish) continue;
    for (const item of tab.wish.item.split(",")) {
      const found = whole.get(item);
      if (found) tab.port.postMessage({ item, texts: found.texts, left: found.left, filtered: running?.filter === tab.wish.filter });
    }
  }
}, BATCH_MS);

function take(event: string, data: string) {
  if (event === "lost") { state = { ...state, lost: state.lost + (JSON.parse(data).lost as number) }; tellState(); return; }
  if (event === "error") { state = { ...state, error: JSON.parse(data).error as string }; tellState(); return; }
  if (event === "end") return;
  const item = event === "rows" ? (JSON.parse(data).item as string) : event;
  let found = batch.get(item);
  if (!found) batch.set(item, found = { texts: [], left: 0 });
  found.texts.push(event === "rows" ? "rows" : data);
  if (found.texts.length > BATCH_MOST * 2) { found.left += found.texts.length - BATCH_MOST; found.texts = found.texts.slice(-BATCH_MOST); }
}

/** Cuts server-sent events out of what comes (WHATWG HTML 9.2.6, as much of it as the agent sends). */
async function follow(body: ReadableStream<Uint8Array>) {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    let end: number, from = 0;
    while ((end = rest.indexOf("\n\n", from)) >= 0) {
      const block = rest.slice(from, end);
      from = end + 2;
      let event = "message", data = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event = line.slice(7);
        else if (line.startsWith("data: ")) data = line.slice(6);
      }
      if (data) take(event, data);
    }
    rest = rest.slice(from);
  }
}

async function run(key: string, filter: string, stop: AbortController) {
  try {
    const answer = await fetch(`v1/stream?${key}`, { signal: stop.signal, cache: "no-store", headers: token ? { Authorization: `Bearer ${token}` } : {} });
    if (!answer.ok) {
      const why = await answer.json().catch(() => ({ error: `the agent answered ${answer.status}` })) as { error: string; hint?: string };
      state = { ...state, open: false, error: why.hint ? `${why.error}; ${why.hint}` : why.error };
      if (answer.status < 500) { tellState(); return; } /* asking again would change nothing */
    } else {
      state = { open: true, error: "", lost: 0 };
      retryMs = 500;
      tellState();
      await follow(answer.body!);
      state = { ...state, open: false };
    }
  } catch {
    if (stop.signal.aborted) return;
    state = { ...state, open: false, error: "the agent does not answer" };
  }
  if (running?.stop !== stop) return;
  tellState();
  setTimeout(() => { if (running?.stop === stop) void run(key, filter, stop); }, retryMs);
  retryMs = Math.min(retryMs * 2, 10000);
}

function choose() {
  const wishes = [...tabs].map((tab) => tab.wish).filter((wish) => wish !== null);
  const names = [...new Set(wishes.flatMap((wish) => wish.item.split(",")))].sort();
  const filters = new Set(wishes.map((wish) => wish.filter));
  const filter = filters.size === 1 ? [...filters][0]! : "";
  const words = new URLSearchParams({ item: names.join(",") });
  if (filter) words.set("filter", filter);
  if (wishes.some((wish) => wish.on)) words.set("on", "1");
  const key = names.length ? words.toString() : "";
  if (running?.key === key + token) return;
  running?.stop.abort();
  batch = new Map();
  running = null;
  if (!key) return;
  const stop = new AbortController();
  running = { key: key + token, stop, filter };
  state = { open: false, error: "", lost: 0 };
  void run(key, filter, stop);
}

function welcome(port: MessagePort) {
  const tab: Tab = { port, wish: null, seen: Date.now() };
  tabs.add(tab);
  port.onmessage = (event: MessageEvent<{ wish?: Wish | null; token?: string; gone?: boolean; alive?: boolean }>) => {
    tab.seen = Date.now();
    if (!tabs.has(tab)) tabs.add(tab);
    if (event.data.alive) return;
    if (event.data.gone) { tabs.delete(tab); choose(); return; }
    if (event.data.token !== undefined) token = event.data.token;
    if (event.data.wish !== undefined) tab.wish = event.data.wish;
    choose();
    if (running && tab.wish) port.postMessage({ state });
  };
  port.start?.();
}

// a SharedWorker; where a browser has none, the tab's own Worker
const scope = self as unknown as { onconnect?: (event: MessageEvent) => void; onmessage?: unknown; postMessage?: (message: unknown) => void };
if ("onconnect" in scope) scope.onconnect = (event) => welcome(event.ports[0]!);
else welcome(self as unknown as MessagePort);
