// SPDX-License-Identifier: GPL-2.0-only
// trace - a program of the tracing language, written here and run on this machine: what it prints, its maps and histograms.
//
// The text stands in the address when it is run, so a program can be sent on. Running needs the token.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { wantsToken } from "./api";
import { Name, sentence } from "./parts";
import { go, place, token } from "./place";
import { count, seconds } from "./units";

const EXAMPLES: { name: string; text: string }[] = [
  { name: "Files opened, by program", text: "tracepoint:syscalls:sys_enter_openat\n{\n\t@[comm] = count();\n}\n" },
  { name: "Time that reads take", text: "tracepoint:syscalls:sys_enter_read\n{\n\t@begin[tid] = nsecs;\n}\n\ntracepoint:syscalls:sys_exit_read\n/@begin[tid]/\n{\n\t@us[comm] = hist((nsecs - @begin[tid]) / 1000);\n\tdelete(@begin[tid]);\n}\n" },
  { name: "Programs started", text: "tracepoint:sched:sched_process_exec\n{\n\tprintf(\"%-8d %-16s %s\\n\", pid, comm, str(args->filename));\n}\n" },
  { name: "System calls, by program", text: "tracepoint:raw_syscalls:sys_enter\n{\n\t@[comm] = count();\n}\n\ninterval:s:2\n{\n\tprint(@, 10);\n\tclear(@);\n}\n" },
  { name: "Who is on the processors", text: "profile:hz:99\n{\n\t@[comm] = count();\n}\n" },
];
const DURATIONS = ["5s", "10s", "30s", "60s", "300s"], KEPT = 400, TEXT_KEY = "sonde-trace";

type Entry = { kind: "text"; text: string } | { kind: "bad"; text: string } | { kind: "note"; text: string } | { kind: "map"; type: string; name: string; value: unknown };
interface Bucket { min?: number; max?: number; count: number; }
const isBuckets = (value: unknown): value is Bucket[] => Array.isArray(value) && value.every((one) => typeof one === "object" && one !== null && "count" in one);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** What a line of the answer means for the reader. */
function entriesOf(event: string, data: unknown): Entry[] {
  if (event === "printf" || event === "cat" || event === "join" || event === "time" || event === "syscall" || event === "value") return [{ kind: "text", text: typeof data === "string" ? data : `${JSON.stringify(data)}\n` }];
  if (event === "attached_probes") return [{ kind: "note", text: `${count((data as { probes?: number }).probes)} probes are attached` }];
  if (event === "lost_events") return [{ kind: "bad", text: `${count((data as { events?: number }).events)} events were lost: the program says more than can be read` }];
  if (event === "message") return [{ kind: "note", text: String(data).trim() }];
  if (event === "cost" || event === "description") return [];
  if (isObject(data)) return Object.entries(data).map(([name, value]): Entry => ({ kind: "map", type: event, name, value }));
  return [{ kind: "text", text: `${JSON.stringify(data)}\n` }];
}

const bound = (bucket: Bucket) => bucket.min === undefined ? `< ${bucket.max! + 1}` : bucket.max === undefined ? `≥ ${bucket.min}` : bucket.min === bucket.max ? String(bucket.min) : `${count(bucket.min)} to ${count(bucket.max)}`;
function Histogram({ buckets }: { buckets: Bucket[] }) {
  const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
  return <div class="bars">{buckets.map((bucket, at) => [<span key={`${at}l`} class="num dim">{bound(bucket)}</span>, <i key={`${at}b`} style={{ width: `${bucket.count / most * 100}%` }} />, <span key={`${at}c`} class="num">{count(bucket.count)}</span>])}</div>;
}
const numberOf = (value: unknown): number | undefined => typeof value === "number" ? value : isObject(value) && typeof value.total === "number" ? value.total : undefined;

/** A map: a number, a table with bars, or histograms. */
function MapOut({ name, value }: { name: string; value: unknown }) {
  if (isBuckets(value)) return <><h3><Name text={name} /></h3><Histogram buckets={value} /></>;
  if (!isObject(value)) return <><h3><Name text={name} /></h3><pre>{typeof value === "number" ? count(value) : JSON.stringify(value)}</pre></>;
  const rows = Object.entries(value);
  if (rows.some(([, one]) => isBuckets(one))) return <>{rows.slice(-20).map(([key, one]) => <div key={key}><h3><Name text={`${name}[${key}]`} cut={100} /></h3>{isBuckets(one) && <Histogram buckets={one} />}</div>)}</>;
  const sorted = [...rows].sort((a, b) => (numberOf(b[1]) ?? 0) - (numberOf(a[1]) ?? 0)), most = Math.max(1, ...sorted.map(([, one]) => numberOf(one) ?? 0));
  return <><h3><Name text={name} /> <span class="faint">{rows.length} keys</span></h3><table><tbody>{sorted.slice(0, 40).map(([key, one]) => <tr key={key}><td><Name text={key} cut={100} /></td><td class="num">{typeof one === "number" ? count(one) : JSON.stringify(one)}</td><td class="share"><i style={{ width: `${(numberOf(one) ?? 0) / most * 100}%` }} /></td></tr>)}</tbody></table>
    {sorted.length > 40 && <p class="faint">{sorted.length - 40} more</p>}</>;
}

async function follow(body: ReadableStream<Uint8Array>, each: (event: string, data: unknown) => void) {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const event = lines.find((line) => line.startsWith("event: "))?.slice(7), text = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (!event || !text) continue;
      try { const whole = JSON.parse(text) as { data?: unknown }; each(event, event === "end" ? whole : whole.data); } catch { each("message", text); }
    }
  }
}

const remembered = () => { try { return localStorage.getItem(TEXT_KEY); } catch { return null; } };

export function Trace() {
  const text = useSignal(place.value.more.program ?? remembered() ?? EXAMPLES[0]!.text), limit = useSignal("10s"), entries = useSignal<Entry[]>([]), wrong = useSignal<{ line: number; text: string } | null>(null);
  const running = useSignal<{ stop: AbortController; since: number } | null>(null), spent = useSignal(0), out = useRef<HTMLDivElement>(null), numbers = useRef<HTMLDivElement>(null);
  useEffect(() => () => running.peek()?.stop.abort(), []);
  useEffect(() => {
    if (!running.value) return;
    const timer = setInterval(() => { spent.value = (performance.now() - running.value!.since) / 1000; }, 250);
    return () => clearInterval(timer);
  }, [running.value]);
  useEffect(() => { if (out.current) out.current.scrollTop = out.current.scrollHeight; }, [entries.value]);

  /* what is printed joins the text before it, and a map takes the place of the same one before it */
  const take = (event: string, data: unknown) => {
    let list = [...entries.peek()];
    for (const entry of event === "end" ? [] : entriesOf(event, data)) {
      const last = list[list.length - 1];
      if (entry.kind === "text" && last?.kind === "text" && last.text.length < 20000) list[list.length - 1] = { kind: "text", text: last.text + entry.text };
      else if (entry.kind === "map") { list = list.filter((one) => one.kind !== "map" || one.name !== entry.name); list.push(entry); } else list.push(entry);
    }
    entries.value = list.slice(-KEPT);
  };
  const run = async () => {
    running.value?.stop.abort();
    const mine = { stop: new AbortController(), since: performance.now() };
    running.value = mine;
    entries.value = [];
    wrong.value = null;
    spent.value = 0;
    try { localStorage.setItem(TEXT_KEY, text.value); } catch { /* for this time */ }
    go({ more: text.value.length < 1500 ? { program: text.value } : {} }, true);
    try {
      const answer = await fetch("v1/trace", { method: "POST", signal: mine.stop.signal, cache: "no-store", headers: { "Content-Type": "application/json", Accept: "text/event-stream, application/json", ...(token.value ? { Authorization: `Bearer ${token.value}` } : {}) },
        body: JSON.stringify({ program: text.value, limits: { duration: limit.value, events: 100000, overhead: 0.2 } }) });
      if (!answer.ok) {
        const why = await answer.json().catch(() => ({ error: `the agent answered ${answer.status}` })) as { error: string; hint?: string };
        if (answer.status === 401) wantsToken.value = true;
        const at = /:(\d+):\d+/.exec(why.error);
        wrong.value = { line: at ? Number(at[1]) : 0, text: why.hint ? `${why.error}\n${why.hint}` : why.error };
      } else await follow(answer.body!, (event, data) => { if (running.value === mine) take(event, data); });
    } catch (error) { if ((error as Error).name !== "AbortError") wrong.value = { line: 0, text: "the agent does not answer" }; }
    if (running.value === mine) { running.value = null; if (!wrong.value && !entries.value.length) take("message", "It ended without a word."); }
  };
  const onKey = (event: KeyboardEvent) => {
    const area = event.currentTarget as HTMLTextAreaElement;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); void run(); }
    else if (event.key === "Escape") { event.stopPropagation(); area.blur(); }
  };
  const lines = text.value.split("\n").length;
  const shownEntry = (entry: Entry, at: number): ComponentChildren => entry.kind === "map" ? <MapOut key={`m${entry.name}`} name={entry.name} value={entry.value} />
    : entry.kind === "text" ? <pre key={at}>{entry.text.replace(/\n$/, "").split("\n").slice(-200).map((line, row) => <div key={row}><Name text={line} cut={1000} />{"\u200b"}</div>)}</pre> : <p key={at} class={entry.kind === "bad" ? "bad" : "faint"}><Name text={entry.text} cut={600} /></p>;
  return <div class="view">
    <div class="section-head" style={{ margin: 0 }}><h2>A program of the tracing language</h2><span class="dim">as in bpftrace; it is compiled, checked and run on this machine, and taken out again when its time is over</span></div>
    <div class="buttons run">
      {running.value ? <button type="button" class="control primary" onClick={() => { running.value?.stop.abort(); running.value = null; }}>Stop</button> : <button type="button" class="control primary" title="Ctrl Enter" onClick={() => void run()}>Run</button>}
      <label class="control">for <select class="plain-select" aria-label="how long" value={limit.value} onChange={(event) => { limit.value = event.currentTarget.value; }}>{DURATIONS.map((one) => <option key={one} value={one}>{one === "60s" ? "1 min" : one === "300s" ? "5 min" : one.replace("s", " s")}</option>)}</select></label>
      <label class="control">example: <select class="plain-select" aria-label="example" value="" onChange={(event) => { const found = EXAMPLES.find((one) => one.name === event.currentTarget.value); if (found) text.value = found.text; event.currentTarget.value = ""; }}><option value="">choose</option>{EXAMPLES.map((one) => <option key={one.name} value={one.name}>{one.name}</option>)}</select></label>
      <span class="dim" style={{ fontSize: 12, alignSelf: "center" }} role="status">{running.value ? `runs, ${seconds(Math.max(0.001, spent.value))}` : entries.value.length ? "ended" : ""}</span>
    </div>
    <div class="trace">
      <div>
        <div class="editor"><div class="lines" ref={numbers} aria-hidden="true">{Array.from({ length: lines }, (_, at) => <div key={at} class={wrong.value?.line === at + 1 ? "bad" : ""}>{at + 1}</div>)}</div>
          <textarea aria-label="program" spellcheck={false} autocomplete="off" autocapitalize="off" value={text.value} onInput={(event) => { text.value = event.currentTarget.value; }} onScroll={(event) => { if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop; }} onKeyDown={onKey} /></div>
        {wrong.value && <div role="alert" class="bad mono" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{sentence(wrong.value.text).split("\n").map((line, row) => <div key={row}><Name text={line} cut={400} /></div>)}</div>}
      </div>
      <div>
        <div class="trace-out" ref={out} tabIndex={0} role="log" aria-label="output">{entries.value.length ? entries.value.map(shownEntry) : <p class="faint">{running.value ? "It is compiled and attached…" : "What it prints, its maps and histograms stand here."}</p>}</div>
      </div>
    </div>
  </div>;
}
