// SPDX-License-Identifier: GPL-2.0-only
// tree - the processes that live now, each under the one that started it, with what it uses; a branch that is folded shows the sum.
import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { ask, useAsk } from "./api";
import { applicable, matches, parse, type Row } from "./filter";
import { Failed, Name, NotAsked, Skeleton, State, When } from "./parts";
import { go, place } from "./place";
import { Table, type TableColumn } from "./table";
import { bytes, cores, count } from "./units";

interface Process { pid: number; ppid?: number; process?: string; exe?: string; uid?: number; container?: string; pod?: string; namespace?: string; service?: string; started?: string; }
interface Use { cpu?: number; memory?: number; threads?: number; }
interface Line { one: Process; depth: number; children: number; isFolded: boolean; use: Use; isWay: boolean; }
const COLUMNS = ["pid", "ppid", "process", "exe", "uid", "container", "pod", "namespace", "service"];
const KERNEL = 2; /* kthreadd: all threads of the kernel are its children */

interface Answer { processes: Process[]; use: Map<number, Use>; }
type Before = { at: number; cpu: Map<number, number> } | undefined;

const memoryOf = (row: Row) => ["anon_bytes", "file_bytes", "shmem_bytes", "resident_bytes"].reduce<number | undefined>((sum, name) => typeof row[name] === "number" ? (sum ?? 0) + (row[name] as number) : sum, undefined);
const rowsOf = (item: string, stop: AbortSignal) => ask<{ records: Row[] }>(`v1/records/${item}?source=rows&limit=10000`, { signal: stop }).then((answer) => answer.records, (error: Error) => { if (error.name === "AbortError") throw error; return [] as Row[]; });
const pause = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function look(before: { current: Before }, stop: AbortSignal): Promise<Answer> {
  const cpuNow = async () => {
    const at = performance.now(), cpu = new Map<number, number>(), threads = new Map<number, number>();
    for (const row of await rowsOf("cpu", stop)) { const pid = Number(row.pid); cpu.set(pid, (cpu.get(pid) ?? 0) + Number(row.user_ns ?? 0) + Number(row.system_ns ?? 0)); if (typeof row.threads === "number") threads.set(pid, row.threads); }
    return { at, cpu, threads };
  };
  if (!before.current) { before.current = await cpuNow(); await pause(1000); }
  const [now, memory, all] = await Promise.all([cpuNow(), rowsOf("mem", stop), ask<{ processes: Process[] }>("v1/processes", { signal: stop })]);
  const then = before.current, use = new Map<number, Use>(), seconds = (now.at - then.at) / 1000;
  before.current = { at: now.at, cpu: now.cpu };
  for (const [pid, ns] of now.cpu) use.set(pid, { cpu: Math.max(0, ns - (then.cpu.get(pid) ?? ns)) / 1e9 / seconds, threads: now.threads.get(pid) });
  for (const row of memory) { const pid = Number(row.pid), bytesOf = memoryOf(row); if (bytesOf !== undefined) use.set(pid, { ...use.get(pid), memory: (use.get(pid)?.memory ?? 0) + bytesOf }); }
  return { processes: all.processes, use };
}

const add = (a: number | undefined, b: number | undefined) => a === undefined ? b : b === undefined ? a : a + b;

/** The tree as lines. Those that match stand with all above them. */
function linesOf({ processes, use }: Answer, folded: Set<number>, test: (one: Process) => boolean, filtered: boolean): Line[] {
  const byPid = new Map(processes.map((one) => [one.pid, one])), children = new Map<number, Process[]>(), kept = new Set<number>(), hits = new Set<number>();
  for (const one of processes) {
    if (!test(one)) continue;
    hits.add(one.pid);
    for (let up: Process | undefined = one; up && !kept.has(up.pid); up = up.ppid !== undefined && up.ppid !== up.pid ? byPid.get(up.ppid) : undefined) kept.add(up.pid);
  }
  const roots: Process[] = [];
  for (const one of processes) {
    if (!kept.has(one.pid)) continue;
    if (one.ppid !== undefined && one.ppid !== one.pid && byPid.has(one.ppid)) { const list = children.get(one.ppid); if (list) list.push(one); else children.set(one.ppid, [one]); } else roots.push(one);
  }
  const sums = new Map<number, Use>();
  const sumOf = (one: Process): Use => {
    let sum = use.get(one.pid) ?? {};
    for (const child of children.get(one.pid) ?? []) { const more = sumOf(child); sum = { cpu: add(sum.cpu, more.cpu), memory: add(sum.memory, more.memory), threads: add(sum.threads, more.threads) }; }
    sums.set(one.pid, sum);
    return sum;
  };
  roots.forEach(sumOf);
  const lines: Line[] = [], below = (one: Process): number => (children.get(one.pid) ?? []).reduce((sum, child) => sum + 1 + below(child), 0);
  const walk = (one: Process, depth: number) => {
    const under = children.get(one.pid) ?? [], isFolded = under.length > 0 && folded.has(one.pid) && !filtered;
    lines.push({ one, depth, children: isFolded ? below(one) : under.length, isFolded, use: (isFolded ? sums.get(one.pid) : use.get(one.pid)) ?? {}, isWay: filtered && !hits.has(one.pid) });
    if (!isFolded) [...under].sort((a, b) => a.pid - b.pid).forEach((child) => walk(child, depth + 1));
  };
  roots.sort((a, b) => a.pid - b.pid).forEach((one) => walk(one, 0));
  return lines;
}

export function Tree() {
  const before = useRef<Before>(undefined), folded = useSignal(new Set([KERNEL]));
  const asked = useAsk("tree", (stop) => look(before, stop));
  const useful = applicable(place.value.filter, COLUMNS);
  const lines = useMemo(() => {
    if (!asked.data) return [];
    let node = null;
    try { node = parse(useful.text); } catch { /* said under the box */ }
    return linesOf(asked.data, folded.value, (one) => matches(node, one as unknown as Row), !!node);
  }, [asked.data, folded.value, useful.text]);
  const fold = (pid: number) => (event: MouseEvent) => { event.stopPropagation(); const next = new Set(folded.value); if (!next.delete(pid)) next.add(pid); folded.value = next; };
  const columns: TableColumn<Line>[] = useMemo(() => [
    { name: "process", width: "38%", phone: "main", cell: ({ one, depth, children, isFolded, isWay }) => <span class="branch" style={{ paddingLeft: depth * 16 }}>
      {children ? <button type="button" aria-label={isFolded ? "unfold" : "fold"} aria-expanded={!isFolded} onClick={fold(one.pid)}>{isFolded ? "▸" : "▾"}</button> : <span class="leaf" />}
      <span class={`cut${isWay ? " only-way" : ""}`}><Name text={one.process ?? "-"} cut={60} />{isFolded && <span class="faint"> and {count(children)} below</span>}</span></span>, tip: ({ one }) => one.exe },
    { name: "pid", width: 84, numeric: true, cell: ({ one }) => <span class="mono">{one.pid}</span>, phone: "sub" },
    { name: "cpu", numeric: true, width: 96, cell: ({ use }) => use.cpu ? cores(use.cpu) : <span class="faint">0</span>, phone: "side", help: "processors in use, at this moment" },
    { name: "memory", numeric: true, width: 96, cell: ({ use }) => bytes(use.memory), phone: "subside", help: "resident" },
    { name: "threads", numeric: true, width: 80, cell: ({ use }) => count(use.threads) },
    { name: "user", numeric: true, width: 72, cell: ({ one }) => <span class="mono">{one.uid ?? "-"}</span>, help: "user id" },
    { name: "since", width: 150, cell: ({ one }) => one.started ? <span class="dim"><When ms={Date.parse(one.started)} /></span> : "-" },
    { name: "container", cell: ({ one }) => <span class="dim"><Name text={one.container ?? one.service ?? ""} cut={60} /></span> },
  ], [folded.value]);
  const shown = useMemo(() => columns.filter((column) => column.name !== "container" || lines.some(({ one }) => one.container ?? one.service)), [columns, lines]);
  return <>
    <NotAsked left={useful.left} of="the tree" />
    {asked.error && !asked.data ? <Failed error={asked.error} /> : !asked.data ? <Skeleton lines={14} /> : !lines.length ? <State title={place.value.filter ? "No process matches." : "No process is known."} />
      : <Table label="process tree" columns={shown} rows={lines} id={({ one }) => String(one.pid)} asTheyCome choose={({ one }) => go({ more: { by: "tree" }, open: `${one.process ?? ""}\u0001${one.container ?? ""}` }, !!place.value.open)} />}
  </>;
}
