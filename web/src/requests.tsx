// SPDX-License-Identifier: GPL-2.0-only
// requests - every exchange, live and past, with where its time went; beside it one of them with all that is known.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { ask, columnsOfItem, type ItemWhole, items, rangeKey, useAsk, window } from "./api";
import { applicable, matches, parse, withCondition, type Node, type Row } from "./filter";
import { offered } from "./filterbox";
import { leftOut, stream, useLive } from "./live";
import { cellText, copy, Facts, Failed, Glyph, Name, NotAsked, Pane, PhaseBar, PhaseKey, Skeleton, State, toService, When } from "./parts";
import { addressOf, go, paused, place } from "./place";
import { filterForFigures, nameOf, type Phase, PHASES, PHASE_NAMES, type Red, redBy, SUMMARY_COLUMNS, WHO } from "./red";
import { Table, type TableColumn } from "./table";
import { count, duration, percent, shown } from "./units";

export interface Exchange extends Row { time: string; duration_ns?: number; process?: string; protocol?: string; operation?: string; status?: string; error?: boolean; side?: string; }
const KEPT = 4000, TABLE_ROWS = 600;

/** Who the record is of: its service, container or process. */
const whose = (row: Row) => String(row.service ?? row.container ?? row.process ?? "-");
const idOf = (row: Row) => `${row.time}~${row.connection ?? ""}~${row.side ?? ""}`;
const millis = new WeakMap<Row, number>();
const timeOf = (row: Row) => { let at = millis.get(row); if (at === undefined) millis.set(row, at = Date.parse(String(row.time))); return at; };
const whatOf = (row: Row) => String(row.target ?? row.resource ?? row.operation ?? "");

/** Phases one behind the other; of a client's wait the part on the network is told apart. */
export function phasesOf(row: Row): Partial<Record<Phase, number>> {
  const number = (name: string) => typeof row[name] === "number" ? row[name] as number : 0;
  if (row.side === "server") return { queue: number("queue_ns"), process: number("process_ns"), send: number("send_ns") };
  const network = Math.min(number("network_ns"), number("wait_ns"));
  return { send: number("send_ns"), network, process: number("wait_ns") - network, queue: number("queue_ns"), download: number("download_ns") };
}

const ORDER: Record<string, Phase[]> = { server: ["queue", "process", "send"], client: ["send", "network", "process", "queue", "download"] };
const SAYS: Record<string, Partial<Record<Phase, string>>> = {
  server: { queue: "waited to be read", process: "worked on", send: "answer written" },
  client: { send: "request written", network: "on the network", process: "server at work", queue: "answer waited to be read", download: "answer read" },
};

function Waterfall({ row, scale }: { row: Row; scale: number }) {
  const whole = Number(row.duration_ns ?? 0), phases = phasesOf(row);
  const says = PHASES.filter((phase) => phases[phase]).map((phase) => `${PHASE_NAMES[phase]} ${duration(phases[phase])}`).join(", ");
  const share = Math.min(1, whole / scale), sum = Object.values(phases).reduce((total, value) => total + value!, 0) || 1;
  return <div class="phases" title={says} aria-hidden="true" style={{ background: "none", width: `${Math.max(share * 100, 0.8)}%`, minWidth: "2px" }}>
    {(ORDER[String(row.side)] ?? PHASES).map((phase) => phases[phase] ? <i key={phase} class={`p-${phase}`} style={{ width: `${phases[phase]! / Math.max(sum, whole) * 100}%` }} /> : null)}
    {whole > sum * 1.02 && <i class="p-other" style={{ flex: 1 }} />}
  </div>;
}

type Columns = TableColumn<Exchange>[];
const OPTIONAL: [string, string, boolean][] = [ /* column, title, numeric */
  ["resource", "resource", false], ["request_bytes", "sent", true], ["response_bytes", "received", true], ["remote_name", "other end", false], ["pid", "pid", true],
  ["container", "container", false], ["pod", "pod", false], ["host", "host", false], ["queue_ns", "queue", true], ["connection", "connection", false],
];
const CHOSEN_KEY = "sonde-request-columns";

function columnsFor(chosen: string[], scale: number): Columns {
  const more = OPTIONAL.filter(([name]) => chosen.includes(name)).map(([name, title, numeric]): TableColumn<Exchange> => ({
    name, title, numeric, width: numeric ? 80 : 120, value: (row) => row[name] as number | string | undefined, cell: (row) => numeric ? cellText(name, row[name]) : <Name text={row[name] ?? "-"} /> }));
  return [
    { name: "time", width: 112, value: timeOf, cell: (row) => <span class="mono"><When ms={timeOf(row)} digits={3} /></span>, phone: "subside" },
    { name: "service", width: 116, value: whose, cell: (row) => <Name text={whose(row)} />, phone: "sub" },
    { name: "side", width: 60, value: (row) => row.side, cell: (row) => <span class="dim">{row.side}</span>, help: "which end of the exchange this is" },
    { name: "request", width: "34%", value: whatOf, phone: "main", cell: (row) => <><Glyph protocol={row.protocol} />{!whatOf(row).startsWith(row.operation ?? "\u0001") && <span class="dim">{row.operation} </span>}<Name text={whatOf(row)} cut={160} /></>, tip: (row) => shown(whatOf(row)).slice(0, 600) },
    { name: "status", width: 92, value: (row) => row.status, cell: (row) => <span class={row.error ? "bad" : ""}>{row.status ? shown(row.status) : row.error ? "none" : "-"}</span>, phone: "sub" },
    ...more,
    { name: "duration", width: 84, numeric: true, value: (row) => row.duration_ns, cell: (row) => duration(row.duration_ns), phone: "side" },
    { name: "waterfall", title: `phases, up to ${duration(scale)}`, cell: (row) => <Waterfall row={row} scale={scale} /> },
  ];
}

const both = (text: string, more: string) => text ? `${more} and (${text})` : more;

interface Past { rows: Exchange[]; oldest?: string; partial?: string; }

/** A summary has the slowest of its exchanges whole, and some of other durations. */
const examplesOf = (record: Row): Exchange[] => record.kind === "request" ? [record as Exchange] : record.kind !== "request_summary" ? []
  : [record.example, ...Array.isArray(record.examples) ? record.examples : []].filter((one): one is Exchange => typeof one === "object" && one !== null);

/** Single exchanges that the history holds, and the slowest of each group of those it only counted. */
async function askPast(filter: string, node: Node | null, fromMs: number, toMs: number, stop: AbortSignal): Promise<Past> {
  const words = new URLSearchParams({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), order: "desc", source: "recent", limit: "1000" });
  if (filter) words.set("filter", filter);
  const answer = await ask<{ records: Row[]; oldest?: string; partial?: string }>(`v1/records/requests?${words}`, { signal: stop });
  const rows = new Map<string, Exchange>();
  for (const record of answer.records) {
    for (const example of examplesOf(record)) {
      if (!example.time || !matches(node, example) || rows.has(idOf(example))) continue;
      rows.set(idOf(example), example !== record.example ? example : { ...example, slowest_of: record.count });
    }
  }
  return { rows: [...rows.values()].sort((a, b) => timeOf(b) - timeOf(a)), oldest: answer.oldest, partial: answer.partial };
}

function Side() {
  const filter = place.value.filter;
  const has = (side: string) => new RegExp(`\\bside\\s*=\\s*"?${side}\\b`).test(filter);
  const without = () => filter.replace(/\s*\band\s+side\s*=\s*\w+/g, "").replace(/^\s*side\s*=\s*\w+\s*(and\s+)?/, "").trim();
  const turn = (side: string) => go({ filter: side ? withCondition(without(), "side", "=", side) : without() });
  return <div class="chips" role="group" aria-label="side">
    <button type="button" aria-pressed={!has("server") && !has("client")} onClick={() => turn("")}>both sides</button>
    <button type="button" aria-pressed={has("server")} onClick={() => turn("server")}>server</button>
    <button type="button" aria-pressed={has("client")} onClick={() => turn("client")}>client</button>
  </div>;
}

function ColumnMenu({ chosen }: { chosen: { value: string[] } }) {
  const isOpen = useSignal(false), box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const press = (event: PointerEvent) => { if (!box.current?.contains(event.target as Node & globalThis.Node)) isOpen.value = false; };
    addEventListener("pointerdown", press);
    return () => removeEventListener("pointerdown", press);
  }, []);
  const turn = (name: string) => {
    chosen.value = chosen.value.includes(name) ? chosen.value.filter((one) => one !== name) : [...chosen.value, name];
    try { localStorage.setItem(CHOSEN_KEY, chosen.value.join(",")); } catch { /* for this time */ }
  };
  return <div class="menu-box wide-only" ref={box}>
    <button type="button" class="control plain" aria-expanded={isOpen.value} onClick={() => { isOpen.value = !isOpen.value; }}>columns ▾</button>
    {isOpen.value && <div class="menu">{OPTIONAL.map(([name]) => <label key={name}><input type="checkbox" checked={chosen.value.includes(name)} onChange={() => turn(name)} />{name}</label>)}</div>}
  </div>;
}

export function Requests() {
  const grouped = place.value.more.by === "operation";
  return grouped ? <ByOperation /> : <Each />;
}

function Mode({ grouped }: { grouped: boolean }) {
  return <div class="chips" role="group" aria-label="rows">
    <button type="button" aria-pressed={!grouped} onClick={() => go({ more: {}, open: "" })}>each</button>
    <button type="button" aria-pressed={grouped} onClick={() => go({ more: { by: "operation" }, open: "" })}>by operation</button>
  </div>;
}

function Each() {
  const { from, to } = window();
  const filter = place.value.filter;
  const known = useAsk("requests' columns", (stop) => ask<ItemWhole>("v1/items/requests", { signal: stop }), false);
  const columns = columnsOfItem(known.data, "request").map((one) => one.name);
  const useful = columns.length ? applicable(filter, columns) : { text: filter, left: [] };
  const node = useMemo(() => { try { return parse(useful.text); } catch { return null; } }, [useful.text]); /* what is no column here is not asked */
  const ofHistory = applicable(filter, SUMMARY_COLUMNS.filter((name) => name !== "target" && name !== "path" && name !== "pid"));
  const history = useAsk(`past ${rangeKey()} ${filter} ${columns.length > 0}`, (stop) => askPast(ofHistory.text, node, from, to, stop), !place.value.open);

  // what came live: `rows` is shown, `waits` came while the page is paused, something is open, or the list is scrolled
  const live = useRef<{ rows: Exchange[]; waits: Exchange[] }>({ rows: [], waits: [] });
  const turn = useSignal(0), waiting = useSignal(0);
  const box = useRef<HTMLDivElement>(null);
  const holds = () => paused.value || !!place.value.open || (box.current?.querySelector(".table-box")?.scrollTop ?? 0) > 4;
  const release = () => {
    const { rows, waits } = live.current;
    live.current = { rows: [...waits, ...rows].slice(0, KEPT), waits: [] };
    waiting.value = 0;
    turn.value++;
  };
  useEffect(() => { live.current = { rows: [], waits: [] }; waiting.value = 0; leftOut.value = 0; turn.value++; }, [useful.text, place.value.range.last]);
  useLive("requests", both(useful.text, "kind = request"), (rows, whole) => {
    if (whole && !rows.length) return;
    live.current.waits = [...(rows as Exchange[]).sort((a, b) => timeOf(b) - timeOf(a)), ...live.current.waits].slice(0, KEPT);
    if (holds()) waiting.value = live.current.waits.length; else release();
  });
  useEffect(() => { if (!paused.value && !place.value.open) release(); }, [paused.value, place.value.open]);

  const rows = useMemo(() => {
    const seen = new Map<string, Exchange>();
    for (const row of live.current.rows) seen.set(idOf(row), row);
    const cutoff = live.current.rows.length ? timeOf(live.current.rows[live.current.rows.length - 1]!) : Infinity;
    for (const row of history.data?.rows ?? []) if (!seen.has(idOf(row)) && (timeOf(row) < cutoff || !place.value.range.last)) seen.set(idOf(row), row);
    return [...seen.values()].slice(0, Math.max(TABLE_ROWS, KEPT));
  }, [turn.value, history.data]);
  const values = useComputed(() => (column: string) => { const found = new Set<string>(); for (const row of rows) if (row[column] !== undefined && typeof row[column] !== "object") found.add(String(row[column])); return [...found].slice(0, 200); });
  useEffect(() => { offered.value = { columns: columnsOfItem(known.data, "request").filter((one) => !["item", "kind"].includes(one.name)), values: values.value }; return () => { offered.value = { columns: [], values: () => [] }; }; }, [known.data, rows]);

  const chosen = useSignal<string[]>(useMemo(() => { try { return (localStorage.getItem(CHOSEN_KEY) ?? "").split(",").filter(Boolean); } catch { return []; } }, []));
  const scale = useMemo(() => { const all = rows.map((row) => row.duration_ns ?? 0).sort((a, b) => a - b); return niceAbove(all[Math.floor(all.length * 0.8)] ?? 1e6); }, [rows]);
  const open = rows.find((row) => idOf(row) === place.value.open) ?? live.current.waits.find((row) => idOf(row) === place.value.open);
  const item = items.value.find((one) => one.name === "requests");
  return <>
    <div class="view full" ref={box}>
      <div class="table-tools">
        <Mode grouped={false} /><Side />
        <span class="dim">{count(rows.length)} shown{leftOut.value ? `, ${count(leftOut.value)} came too fast to be shown` : ""}{stream.value.lost ? `, ${count(stream.value.lost)} lost on the way to this browser` : ""}</span>
        <span class="space" /><span class="wide-only"><PhaseKey /></span><ColumnMenu chosen={chosen} />
      </div>
      <NotAsked left={useful.left} of="requests" />
      {stream.value.error && place.value.range.last ? <p class="filter-note bad" role="alert">Live: {stream.value.error}</p> : null}
      {waiting.value > 0 && <button type="button" class="fresh" onClick={() => { box.current?.querySelector(".table-box")?.scrollTo(0, 0); release(); }}>{count(waiting.value)} new {waiting.value === 1 ? "request" : "requests"}: show</button>}
      {rows.length > 0 ? <Table label="requests" columns={columnsFor(chosen.value, scale)} rows={rows} id={idOf} asTheyCome chosen={place.value.open} fails={(row) => row.error === true} choose={(row) => go({ open: idOf(row) }, !!place.value.open)} />
        : history.error ? <Failed error={history.error} /> : !history.data ? <Skeleton lines={12} />
        : item && !item.on ? <State title="The item requests is off."><p><a href={addressOf({ view: "items", open: "requests" })}>Switch it on</a> and every exchange of this machine stands here.</p></State>
        : <State title={filter ? "No request matches." : "No requests in this range."}>{wider(filter) && <p>Of requests that nobody watched some are kept as examples, none of these. <a href={addressOf(wider(filter)!)}>Look around them</a>: a minute before and after, half to double the duration.</p>}<p>{filter ? "Take something out of the filter, or look at a longer time." : place.value.range.last ? "New ones appear by themselves." : "Look at a longer time."}{history.data.oldest ? ` The history begins ${cellText("time", history.data.oldest)}.` : ""}</p></State>}
      {history.error && rows.length > 0 && <p class="filter-note bad" role="alert">Only what comes live: the history could not be asked ({history.error.message}).</p>}
      {history.data?.partial && <p class="filter-note">Not everything could be looked at: {history.data.partial}.</p>}
    </div>
    {place.value.open && <Detail row={open} rows={rows} />}
  </>;
}

/** A cell of the heat map, and what lies around it; null where none was chosen. */
function wider(filter: string): { range: { from: number; to: number }; filter: string } | null {
  const range = place.value.range, least = /duration_ns >= (\d+)/.exec(filter), most = /duration_ns <= (\d+)/.exec(filter);
  if (range.last || !least) return null;
  const looser = filter.replace(least[0], `duration_ns >= ${Math.floor(Number(least[1]) / 2)}`);
  return { range: { from: range.from! - 60e3, to: range.to! + 60e3 }, filter: most ? looser.replace(most[0], `duration_ns <= ${Number(most[1]) * 2}`) : looser };
}

/** 1, 2 or 5 times a power of ten, so that the bars' scale reads well. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1000)));
  return [1, 2, 5, 10].map((times) => times * power).find((nice) => nice >= value)!;
}

/** The record that the other end's process made of the same exchange. */
const isOtherSide = (row: Row, of: Row) => row.side !== of.side && row.protocol === of.protocol && row.local_port === of.remote_port && row.remote_port === of.local_port &&
  Math.abs(timeOf(row) - timeOf(of)) < 5000 && row.operation === of.operation;

function asCurl(row: Row): string | null {
  if (row.protocol !== "http" || !row.target) return null;
  const quote = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;
  const host = String(row.host ?? `${row.side === "server" ? row.local_addr : row.remote_addr}:${row.side === "server" ? row.local_port : row.remote_port}`);
  return `curl${row.operation && row.operation !== "GET" ? ` -X ${quote(String(row.operation))}` : ""} ${quote(`http://${host}${String(row.target)}`)}`;
}

function Fall({ row }: { row: Row }) {
  const phases = phasesOf(row), order = (ORDER[String(row.side)] ?? PHASES).filter((phase) => phases[phase] !== undefined);
  const whole = Math.max(Number(row.duration_ns ?? 0), order.reduce((total, phase) => total + phases[phase]!, 0), 1);
  let from = 0;
  return <div class="fall">{order.map((phase) => {
    const left = from, value = phases[phase]!;
    from += value;
    return [<span key={`${phase}n`} class="dim" title={SAYS[String(row.side)]?.[phase]}>{PHASE_NAMES[phase]}</span>,
      <span key={`${phase}t`} class="track">{value > 0 && <i class={`p-${phase}`} style={{ left: `${Math.min(left / whole * 100, 99.5)}%`, width: `${value / whole * 100}%` }} />}</span>,
      <span key={`${phase}v`} class="num mono">{duration(value)}</span>];
  })}</div>;
}

function Detail({ row, rows }: { row?: Exchange; rows: Exchange[] }) {
  const [time = "", connection = "", side = ""] = place.value.open.split("~");
  const past = useAsk(`one ${place.value.open} ${!!row}`, async (stop) => {
    if (row || !Date.parse(time)) return null;
    const around = Date.parse(time), words = new URLSearchParams({ from: new Date(around - 1000).toISOString(), to: new Date(around + 15000).toISOString(), source: "recent", limit: "5000" });
    const found = await ask<{ records: Row[] }>(`v1/records/requests?${words}`, { signal: stop });
    return found.records.flatMap(examplesOf).find((one) => one.time === time && String(one.connection ?? "") === connection && one.side === side) ?? null;
  }, false);
  const one = row ?? past.data ?? undefined;
  if (!one) return <Pane title="Request">{past.loading ? <Skeleton lines={5} /> : <State title="This request is not in the history."><p>Of requests that nobody watches, the history keeps how many there were and how long they took, and the slowest as an example.</p></State>}</Pane>;
  const other = rows.find((candidate) => isOtherSide(candidate, one));
  const curl = asCurl(one);
  return <Pane title={<><Glyph protocol={one.protocol} /><Name text={`${one.operation ?? ""} ${one.resource ?? ""}`.trim() || whatOf(one)} cut={60} /></>}>
    <div class="figures">
      <div class="figure"><div class="what">duration, as the {one.side} saw it</div><div class="value">{duration(one.duration_ns)}</div></div>
      <div class="figure"><div class="what">status</div><div class={`value${one.error ? " bad" : ""}`}><Name text={one.status ?? (one.error ? "none" : "-")} cut={20} /></div></div>
    </div>
    {one.message ? <p class="bad"><Name text={one.message} cut={500} /></p> : null}
    <section aria-label="phases"><div class="section-head"><h3>Where the time went</h3></div><Fall row={one} />
      {one.network_bound ? <p class="faint" style={{ fontSize: 11 }}>network is only a bound: the round trip time</p> : null}</section>
    <section aria-label="request"><div class="section-head"><h3>What was asked</h3></div>
      <Facts of={one} names={["protocol", "operation", "resource", "target", "host", "status", "rows", "request_bytes", "response_bytes", "request_id", "trace_id", "span_id"]} /></section>
    <section aria-label="who"><div class="section-head"><h3>Who</h3><a href={toService(whose(one))}>service {shown(whose(one)).slice(0, 40)}</a></div>
      <Facts of={one} names={["service", "namespace", "pod", "container", "image", "process", "exe", "pid", "uid", "remote_name"]} /></section>
    <section aria-label="connection"><div class="section-head"><h3>Connection</h3>{one.connection !== undefined && <a href={addressOf({ view: "connections", filter: `connection = ${one.connection}` })}>see it</a>}</div>
      <Facts of={one} names={["connection", "transport", "local_addr", "local_port", "remote_addr", "remote_port", "rtt_ns", "retransmits", "tls"]} /></section>
    <section aria-label="the other side"><div class="section-head"><h3>The other side</h3></div>
      {other ? <><PhaseBar phases={phasesOf(other)} whole={other.duration_ns} /><p style={{ fontSize: 12, marginTop: 4 }}><a href={addressOf({ open: idOf(other) })}><Name text={whose(other)} /> as {other.side}: {duration(other.duration_ns)}</a></p></>
        : <p class="faint" style={{ fontSize: 12 }}>{one.remote_name ? <>Called <Name text={one.remote_name} />: its record is not among the rows shown.</> : "Not on this machine, or not among the rows shown."}</p>}</section>
    <section aria-label="how it was seen"><div class="section-head"><h3>How it was seen</h3></div>
      <Facts of={{ ...one, time: one.time }} names={["time", "via", "complete", "accelerated", "slowest_of", "node"]} filters={false} />
      {one.complete === undefined && <p class="faint" style={{ fontSize: 11 }}>not marked complete: the connection was older than the agent, or bytes of it were lost before</p>}</section>
    <div class="buttons">
      <button type="button" class="control" onClick={() => void copy(JSON.stringify(one, null, 2))}>Copy as JSON</button>
      {curl && <button type="button" class="control" onClick={() => void copy(curl)}>Copy as curl</button>}
    </div>
  </Pane>;
}

// ---- by operation ----

const BY = [...WHO, "protocol", "side", "operation", "resource"];
const OPERATION_COLUMNS: TableColumn<Red>[] = [
  { name: "service", width: 130, value: (red) => nameOf(red.labels), cell: (red) => <Name text={nameOf(red.labels)} />, phone: "sub" },
  { name: "side", width: 60, value: (red) => red.labels.side, cell: (red) => <span class="dim">{red.labels.side}</span> },
  { name: "operation", width: "30%", value: (red) => `${red.labels.operation} ${red.labels.resource ?? ""}`, cell: (red) => <><Glyph protocol={red.labels.protocol} /><Name text={`${red.labels.operation ?? ""} ${red.labels.resource ?? ""}`} cut={120} /></>, phone: "main" },
  { name: "rate", title: "req/s", numeric: true, width: 76, value: (red) => red.rate, cell: (red) => count(red.rate), phone: "side" },
  { name: "errors", numeric: true, width: 72, value: (red) => red.errors / red.rate, cell: (red) => <span class={red.errors / red.rate >= 0.01 ? "bad" : red.errors ? "" : "faint"}>{red.errors ? percent(red.errors / red.rate) : "0"}</span>, phone: "sub" },
  { name: "p50", numeric: true, width: 80, value: (red) => red.p50, cell: (red) => duration(red.p50 && red.p50 * 1e9) },
  { name: "p90", numeric: true, width: 80, value: (red) => red.p90, cell: (red) => duration(red.p90 && red.p90 * 1e9) },
  { name: "p99", numeric: true, width: 80, value: (red) => red.p99, cell: (red) => duration(red.p99 && red.p99 * 1e9), phone: "subside" },
  { name: "load", title: "time/s", numeric: true, width: 80, value: (red) => red.rate * (red.mean ?? 0), cell: (red) => duration(red.mean === undefined ? undefined : red.rate * red.mean * 1e9), help: "time spent in these requests each second: rate times duration" },
  { name: "phases", title: "where the time goes", cell: (red) => <PhaseBar phases={Object.fromEntries(Object.entries(red.phases).map(([phase, value]) => [phase, value! * 1e9]))} whole={red.mean && red.mean * 1e9} /> },
];

function ByOperation() {
  const { from, to } = window();
  const filtered = filterForFigures();
  const key = `${rangeKey()} ${filtered.text}`;
  const asked = useAsk(`operations ${key}`, (stop) => redBy(BY, filtered.text, from, to, stop));
  const id = (red: Red) => BY.map((word) => red.labels[word] ?? "").join("\u0001");
  const see = (red: Red) => {
    let filter = place.value.filter;
    for (const word of BY) if (red.labels[word]) filter = withCondition(filter, word, "=", red.labels[word]!);
    go({ filter, more: {}, open: "" });
  };
  return <div class="view full">
    <div class="table-tools"><Mode grouped /><Side /><span class="dim">{asked.data ? `${count(asked.data.length)} operations` : ""}</span><span class="space" /><span class="wide-only"><PhaseKey /></span></div>
    <NotAsked left={filtered.left} of="figures by operation" />
    {asked.error && !asked.data ? <Failed error={asked.error} /> : !asked.data ? <Skeleton lines={12} /> : asked.data.length === 0 ? <State title={place.value.filter ? "No operation matches." : "No requests in this range."} />
      : <Table label="operations" columns={OPERATION_COLUMNS} rows={asked.data} id={id} sort="-rate" orderKey={key} choose={see} />}
  </div>;
}
