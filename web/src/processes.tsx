// SPDX-License-Identifier: GPL-2.0-only
// processes - who uses the machine: by process or container, and one of them over time.
import { ask, grid, instant, rangeKey, rateWindow, type Sample, stepFor, useAsk, window } from "./api";
import { GridChart } from "./chart";
import { condition, withCondition, type Row } from "./filter";
import { Failed, Name, NotAsked, Pane, Since, Skeleton, State, toService } from "./parts";
import { addressOf, go, place } from "./place";
import { HostStrip } from "./host";
import { filterForMetrics, selector } from "./red";
import { Table, type TableColumn } from "./table";
import { Tree } from "./tree";
import { bytes, bytesRate, cores, count, perSecond } from "./units";

interface Use { name: string; container: string; pod?: string; namespace?: string; cpu: number; memory?: number; io?: number; threads?: number; files?: number; switches?: number; waits?: number; }
const COLUMNS: TableColumn<Use>[] = [
  { name: "process", width: "22%", value: (row) => row.name, cell: (row) => <Name text={row.name} />, phone: "main" },
  { name: "container", width: "16%", optional: true, value: (row) => row.container || undefined, cell: (row) => <span class="dim"><Name text={row.container || "-"} /></span>, phone: "sub" },
  { name: "cpu", numeric: true, value: (row) => row.cpu, cell: (row) => cores(row.cpu), phone: "side", help: "processors in use, on average over the range" },
  { name: "memory", numeric: true, value: (row) => row.memory, cell: (row) => bytes(row.memory), phone: "subside", help: "resident" },
  { name: "disk", numeric: true, value: (row) => row.io, cell: (row) => bytesRate(row.io), help: "bytes it caused to be read and written" },
  { name: "waits", title: "waits for CPU", numeric: true, value: (row) => row.waits, cell: (row) => row.waits === undefined ? "-" : cores(row.waits).replace("cpu", "s/s"), help: "seconds that its threads waited for a processor, each second" },
  { name: "threads", numeric: true, value: (row) => row.threads, cell: (row) => count(row.threads) },
  { name: "files", title: "open files", numeric: true, value: (row) => row.files, cell: (row) => count(row.files) },
  { name: "switches", title: "switches", numeric: true, value: (row) => row.switches, cell: (row) => perSecond(row.switches), help: "times that its threads left a processor" },
];
const OWN = ["process", "container", "pod", "namespace", "service", "node", "image"];

async function uses(by: string[], match: string, toMs: number, seconds: number, stop: AbortSignal): Promise<Use[]> {
  const over = `[${Math.max(seconds, rateWindow(1))}s]`, at = selector(match), names = by.join(",");
  const questions: [keyof Use, string][] = [
    ["cpu", `sum by (${names}) (rate(sonde_cpu_seconds_total${at}${over}))`], ["memory", `sum by (${names}) (sonde_mem_resident_bytes${at})`], ["io", `sum by (${names}) (rate(sonde_disk_process_bytes_total${at}${over}))`],
    ["threads", `sum by (${names}) (sonde_cpu_threads${at})`], ["files", `sum by (${names}) (sonde_files_open${at})`], ["switches", `sum by (${names}) (rate(sonde_cpu_context_switches_total${at}${over}))`], ["waits", `sum by (${names}) (rate(sonde_runqlat_seconds_sum${at}${over}))`],
  ];
  /* an item may be off, or too much may be asked of one: the other columns are shown all the same */
  const failed: Error[] = [];
  const answers = await Promise.all(questions.map(([, query]) => instant(query, toMs, stop).catch((error: Error) => { if (error.name === "AbortError") throw error; failed.push(error); return [] as Sample[]; })));
  if (failed.length === questions.length) throw failed[0]!;
  const found = new Map<string, Use>();
  answers.forEach((samples, index) => samples.forEach((sample) => {
    const name = sample.labels.process ?? "", container = sample.labels.container ?? "", key = `${name}\u0001${container}`;
    let row = found.get(key);
    if (!row) found.set(key, row = { name: name || container || "no container", container: by.includes("process") ? container : "", pod: sample.labels.pod, namespace: sample.labels.namespace, cpu: 0 });
    (row as unknown as Record<string, number>)[questions[index]![0]] = sample.value;
  }));
  return [...found.values()];
}

export function Processes() {
  const { to, seconds } = window(), filtered = filterForMetrics(OWN), by = place.value.more.by ?? "", byContainer = by === "container";
  const key = `${rangeKey()} ${filtered.matchers} ${byContainer}`;
  const asked = useAsk(`uses ${key} ${by}`, (stop) => by === "tree" ? Promise.resolve([]) : uses(byContainer ? ["container", "pod", "namespace"] : ["process", "container"], filtered.matchers, to, seconds, stop));
  const id = (row: Use) => `${row.name}\u0001${row.container}`;
  const rows = (asked.data ?? []).filter((row) => row.cpu > 0 || row.memory);
  return <>
    <div class="view full">
      <div style={{ padding: 16, borderBottom: "1px solid var(--line)" }} class="wide-only"><HostStrip /></div>
      <div class="table-tools">
        <div class="chips" role="group" aria-label="rows">{(["", "container", "tree"] as const).map((one) => <button key={one} type="button" aria-pressed={by === one} onClick={() => go({ more: one ? { by: one } : {}, open: "" })}>{{ "": "by process", container: "by container", tree: "tree" }[one]}</button>)}</div>
        <span class="dim">{by === "tree" ? place.value.range.last ? "who runs now" : "who runs now, not in the chosen time" : asked.data ? `${count(rows.length)} that ran or hold memory` : ""}</span>
      </div>
      {by === "tree" ? <Tree /> : <>
        <NotAsked left={filtered.left} of="processes" />
        {asked.error && !asked.data ? <Failed error={asked.error} /> : !asked.data ? <Skeleton lines={12} /> : rows.length === 0 ? <State title={place.value.filter ? "No process matches." : "No process in this range."}><Since table="samples" /></State>
          : <Table label="processes" columns={COLUMNS} rows={rows} id={id} sort="-cpu" orderKey={key} chosen={place.value.open} choose={(row) => go({ open: id(row) }, !!place.value.open)} />}</>}
    </div>
    {place.value.open && <Detail byContainer={byContainer} />}
  </>;
}

function Detail({ byContainer }: { byContainer: boolean }) {
  const [name = "", container = ""] = place.value.open.split("\u0001");
  const { from, to } = window(), step = stepFor(from, to, 80), over = `[${rateWindow(step)}s]`;
  const match = byContainer ? `container=${JSON.stringify(name === "no container" ? "" : name)}` : `process=${JSON.stringify(name)},container=${JSON.stringify(container)}`, key = `${match} ${rangeKey()}`;
  const at = `{${match}}`, line = (query: string) => (stop: AbortSignal) => grid(query, from, to, step, stop);
  const cpu = useAsk(`cpu ${key}`, line(`sum by (mode) (rate(sonde_cpu_seconds_total${at}${over}))`));
  const memory = useAsk(`memory ${key}`, line(`sum by (kind) (sonde_mem_resident_bytes${at})`));
  const io = useAsk(`io ${key}`, line(`sum by (op) (rate(sonde_disk_process_bytes_total${at}${over}))`));
  const files = useAsk(`files ${key}`, line(`sum by (type) (sonde_files_open${at})`));
  const pids = useAsk(`pids ${key}`, (stop) => ask<{ records: Row[] }>(`v1/records/mem?${new URLSearchParams({ source: "rows", limit: "300", filter: byContainer ? condition("container", "=", name) : condition("process", "=", name) })}`, { signal: stop }), false);
  const rows = (pids.data?.records ?? []).filter((row) => row.pid !== undefined);
  return <Pane title={<Name text={name} />}>
    <p class="buttons"><a href={toService(name)}>its requests</a><a href={addressOf({ view: "connections", filter: withCondition("", byContainer ? "container" : "process", "=", name) })}>its connections</a><a href={addressOf({ view: "events", filter: withCondition("", byContainer ? "container" : "process", "=", name) })}>its events</a></p>
    <GridChart title="CPU" unit="processors" asked={cpu} name={(labels) => labels.mode ?? ""} format={(value) => cores(value).replace(/.cpu$/, "")} stacked height={110} />
    <GridChart title="Memory" unit="resident" asked={memory} name={(labels) => labels.kind ?? ""} format={bytes} stacked height={110} />
    <GridChart title="Disk" asked={io} name={(labels) => labels.op ?? "all"} format={bytesRate} height={110} />
    <GridChart title="Open files" asked={files} name={(labels) => labels.type ?? ""} format={count} height={110} />
    <section aria-label="processes now"><div class="section-head"><h3>Processes now</h3><span class="dim">{rows.length || ""}</span></div>
      {rows.length ? <div class="table-box" tabIndex={0} role="region" aria-label="processes now" style={{ maxHeight: 260 }}><table><thead><tr><th scope="col" style={{ width: 80 }}><span>pid</span></th><th scope="col"><span>program</span></th><th scope="col" class="num" style={{ width: 100 }}><span>memory</span></th></tr></thead>
        <tbody>{rows.map((row) => <tr key={String(row.pid)}><td class="mono">{String(row.pid)}</td><td><Name text={row.exe ?? row.process} cut={80} /></td><td class="num">{bytes(memoryOf(row))}</td></tr>)}</tbody></table></div>
        : pids.loading ? <Skeleton lines={3} /> : <p class="faint">None runs now.</p>}</section>
  </Pane>;
}

function memoryOf(row: Row): number | undefined {
  const sum = ["anon_bytes", "file_bytes", "shmem_bytes", "resident_bytes"].reduce<number | undefined>((total, name) => typeof row[name] === "number" ? (total ?? 0) + (row[name] as number) : total, undefined);
  return sum;
}
