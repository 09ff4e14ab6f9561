// SPDX-License-Identifier: GPL-2.0-only
// items - a drawing of the machine with each item where it hooks: what is on, what it costs, what it loses; switched here, with
// parameters and what it tells at this moment.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Armed, ask, askAgent, columnsOfItem, type Item, itemRates, items, type ItemWhole, type Parameter, Refusal, useAsk, wantsToken } from "./api";
import type { Row } from "./filter";
import { applicable } from "./filter";
import { useLive, stream } from "./live";
import { busiest, Machine, stateOf } from "./machine";
import { cellText, Facts, Failed, Name, NotAsked, Pane, say, sentence, Skeleton, State } from "./parts";
import { addressOf, go, place, token } from "./place";
import { Table, type TableColumn } from "./table";
import { count, duration, percent, perSecond, seconds } from "./units";

export function Items() {
  const list = items.value, typed = place.value.filter;
  const chosen = list.find((item) => item.name === place.value.open);
  const filtered = applicable(typed, ["item", "wing", "state", "name"]);
  const on = list.filter((item) => item.on).length;
  const cost = Object.values(itemRates.value).reduce((sum, one) => sum + (one.cpu ?? 0), 0);
  return <>
    <div class="view">
      {list.length === 0 ? <Skeleton lines={10} /> : <>
        <div class="section-head" style={{ margin: 0 }}><h2>What the agent watches, and where</h2><span class="dim">{on} of {list.length} on, {percent(cost)} of one CPU in the kernel</span></div>
        <Machine />
        <p class="phase-key"><span><span class="hook on" style={{ height: 16, padding: "0 5px", fontSize: 11 }}>on</span> runs, with events a second</span><span><span class="hook asleep" style={{ height: 16, padding: "0 5px", fontSize: 11 }}>asleep</span> waits for its condition</span><span><span class="hook off" style={{ height: 16, padding: "0 5px", fontSize: 11 }}>off</span> can be switched on</span><span><span class="hook skipped" style={{ height: 16, padding: "0 5px", fontSize: 11 }}>skipped</span> this kernel or privilege cannot: the reason stands on it</span></p>
        <NotAsked left={[...filtered.left, ...(filtered.text ? [filtered.text] : [])]} of="items: it is used in their live output" />
        <ItemTable />
      </>}
    </div>
    {place.value.open && (chosen ? <Detail key={chosen.name} item={chosen} /> : list.length ? <Pane title={<Name text={place.value.open} />}><State title="There is no such item." /></Pane> : null)}
  </>;
}

const COLUMNS: TableColumn<Item>[] = [
  { name: "item", width: 120, value: (item) => item.name, cell: (item) => <Name text={item.name} />, phone: "main" },
  { name: "state", width: 76, value: (item) => stateOf(item), cell: (item) => <span class={{ on: "ok", asleep: "dim", off: "faint", skipped: "warn" }[stateOf(item)]}>{stateOf(item)}</span>, phone: "side" },
  { name: "events", title: "events/s", width: 84, numeric: true, value: busiest, cell: (item) => stateOf(item) === "on" ? count(busiest(item)) : "-", phone: "sub", help: "events, or runs of its programs where it only counts" },
  { name: "cost", title: "ns/event", width: 84, numeric: true, value: (item) => item.ns_per_run, cell: (item) => item.ns_per_run === undefined ? "-" : Math.round(item.ns_per_run).toString(), help: "time of one run of its programs" },
  { name: "cpu", title: "CPU", width: 76, numeric: true, value: (item) => itemRates.value[item.name]?.cpu, cell: (item) => percent(itemRates.value[item.name]?.cpu), phone: "subside", help: "of one processor" },
  { name: "lost", width: 72, numeric: true, value: (item) => item.events.lost, cell: (item) => item.events.lost ? <span class="bad">{count(item.events.lost)}</span> : <span class="faint">0</span> },
  { name: "series", width: 72, numeric: true, value: (item) => item.series, cell: (item) => count(item.series) },
  { name: "help", title: "what it shows", cell: (item) => <span class="dim">{item.reason ? <Name text={`${item.help} (${item.reason})`} /> : <Name text={item.help} />}</span>, tip: (item) => item.reason ?? item.help },
];
const ItemTable = () => <Table label="items" columns={COLUMNS} rows={items.value} id={(item) => item.name} sort="item" limit={500} chosen={place.value.open} choose={(item) => go({ open: item.name }, !!place.value.open)} />;

async function change(item: Item, body: { on?: boolean; params?: Record<string, unknown> }, done: string) {
  try {
    await ask(`v1/items/${encodeURIComponent(item.name)}`, { method: "PATCH", body });
    say(done);
    await askAgent();
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 401 && wantsToken.value)) say(sentence((error as Error).message));
  }
}

function Parameters({ item, list }: { item: Item; list: Parameter[] }) {
  const typed = useSignal<Record<string, string>>({});
  const now = (one: Parameter) => typed.value[one.name] ?? String(item.settings[one.name] ?? one.default ?? "");
  const changed = list.filter((one) => typed.value[one.name] !== undefined && typed.value[one.name] !== String(item.settings[one.name] ?? one.default ?? ""));
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const params = Object.fromEntries(changed.map((one) => [one.name, one.type === "bool" ? typed.value[one.name] === "true" : /^-?\d+$/.test(typed.value[one.name]!) ? Number(typed.value[one.name]) : typed.value[one.name]!]));
    void change(item, { params }, `${item.name}: parameters are set.`).then(() => { typed.value = {}; });
  };
  return <form onSubmit={send} style={{ display: "grid", gap: 8 }}>
    {list.map((one) => <div class="field" key={one.name}>
      <label for={`param-${one.name}`}>{one.name}</label>
      {one.type === "bool" ? <span><input id={`param-${one.name}`} type="checkbox" checked={now(one) === "true" || now(one) === "1"} onChange={(event) => { typed.value = { ...typed.value, [one.name]: String(event.currentTarget.checked) }; }} /></span>
        : <input id={`param-${one.name}`} value={now(one)} onInput={(event) => { typed.value = { ...typed.value, [one.name]: event.currentTarget.value }; }} />}
      <small>{one.help}{one.default !== undefined && one.default !== "" ? `; default ${one.default}` : ""}</small>
    </div>)}
    {changed.length > 0 && <div class="buttons"><button type="submit" class="control primary">Set {changed.map((one) => one.name).join(", ")}</button><button type="button" class="control" onClick={() => { typed.value = {}; }}>Undo</button></div>}
  </form>;
}

interface Histogram { count: number; sum: number; buckets: { le: number | null; count: number }[]; }
const isHistogram = (value: unknown): value is Histogram => typeof value === "object" && value !== null && Array.isArray((value as Histogram).buckets);

function Bars({ of, unit }: { of: Histogram; unit: (value: number) => string }) {
  const most = Math.max(1, ...of.buckets.map((bucket) => bucket.count));
  return <div class="bars">{of.buckets.map((bucket, at) => [<span key={`${at}l`} class="num dim">{bucket.le === null ? "more" : `≤ ${unit(bucket.le)}`}</span>, <i key={`${at}b`} style={{ width: `${bucket.count / most * 100}%` }} />, <span key={`${at}c`} class="num">{count(bucket.count)}</span>])}</div>;
}

/** Numbers of several rows' histograms together. */
function sumOf(histograms: Histogram[]): Histogram {
  const buckets = new Map<number | null, number>();
  let all = 0, sum = 0;
  for (const one of histograms) { all += one.count; sum += one.sum; for (const bucket of one.buckets) buckets.set(bucket.le, (buckets.get(bucket.le) ?? 0) + bucket.count); }
  return { count: all, sum, buckets: [...buckets].map(([le, n]) => ({ le, count: n })).sort((a, b) => (a.le ?? Infinity) - (b.le ?? Infinity)) };
}

const LIVE_ROWS = 40, HIDDEN = new Set(["item", "kind", "node", "exe", "uid", "cgroup", "tid", "time"]);

function Live({ item, whole }: { item: Item; whole?: ItemWhole }) {
  const columns = columnsOfItem(whole);
  const filter = applicable(place.value.filter, columns.map((column) => column.name));
  const rows = useSignal<Row[]>([]), held = useRef<Row[]>([]), runs = useSignal(false); /* for as long as somebody looks */
  const about = whole?.description;
  /* what reads maps and tables sends all of them again and again; what has events sends each once */
  const readsRows = about ? !about.events?.length || !!about.sources?.length || !!whole?.rows?.length || !!whole?.rows_first : undefined;
  useLive(readsRows === undefined ? "" : item.name, filter.text, (fresh, isWhole) => {
    if (!readsRows) { rows.value = [...fresh.reverse(), ...rows.peek()].slice(0, LIVE_ROWS); return; }
    held.current = [...held.current, ...fresh].slice(-2000);
    if (isWhole) { rows.value = held.current; held.current = []; }
  }, (stateOf(item) === "on" || runs.value) && readsRows !== undefined, runs.value);
  useEffect(() => { rows.value = []; held.current = []; }, [filter.text, item.on]);
  if (stateOf(item) !== "on" && !runs.value) return <p class="faint" style={{ fontSize: 12 }}>It is {stateOf(item) === "asleep" ? "asleep" : "off"}. {stateOf(item) !== "skipped" && <button type="button" class="control" onClick={() => { if (token.value) runs.value = true; else wantsToken.value = true; }}>Run it while I look</button>}</p>;
  if (!place.value.range.last) return <p class="faint" style={{ fontSize: 12 }}>The chosen time lies in the past: go live to see what it tells now.</p>;
  if (stream.value.error) return <p class="bad" role="alert" style={{ fontSize: 12 }}>{sentence(stream.value.error)}</p>;
  if (!rows.value.length) return <p class="faint" style={{ fontSize: 12 }} role="status">{stream.value.open ? "Listening: nothing has happened yet." : "Connecting…"}</p>;
  const names = [...new Set(rows.value.slice(0, 60).flatMap((row) => Object.keys(row)))];
  const histograms = names.filter((name) => rows.value.some((row) => isHistogram(row[name])));
  const shownNames = names.filter((name) => !HIDDEN.has(name) && !histograms.includes(name)).slice(0, 6);
  const order = histograms[0] ? [...rows.value].sort((a, b) => ((b[histograms[0]!] as Histogram)?.count ?? 0) - ((a[histograms[0]!] as Histogram)?.count ?? 0)) : rows.value;
  return <>
    {filter.left.length > 0 && <NotAsked left={filter.left} of={item.name} />}
    {histograms.map((name) => { const sum = sumOf(rows.value.map((row) => row[name]).filter(isHistogram)); return <div key={name} style={{ marginBottom: 12 }}><p class="dim" style={{ fontSize: 12, marginBottom: 4 }}>{name}: {count(sum.count)}, on average {seconds(sum.sum / sum.count)}</p><Bars of={sum} unit={seconds} /></div>; })}
    <div class="table-box" style={{ maxHeight: 360 }} tabIndex={0} role="region" aria-label={`live output of ${item.name}`}><table class="live" style={{ tableLayout: "auto" }}><thead><tr>{[...shownNames, ...histograms].map((name) => <th key={name} scope="col"><span>{name}</span></th>)}</tr></thead>
      <tbody>{order.slice(0, LIVE_ROWS).map((row, at) => <tr key={at}>{shownNames.map((name) => <td key={name} class={typeof row[name] === "number" ? "num" : ""} style={{ maxWidth: 180 }}><Name text={row[name] === undefined ? "-" : cellText(name, row[name])} cut={60} /></td>)}{histograms.map((name) => <td key={name} class="num">{isHistogram(row[name]) ? `${count(row[name].count)}, ${seconds(row[name].sum / Math.max(1, row[name].count))}` : "-"}</td>)}</tr>)}</tbody></table></div>
    {rows.value.length > LIVE_ROWS && <p class="faint" style={{ fontSize: 11 }}>{rows.value.length - LIVE_ROWS} more rows</p>}
  </>;
}

interface Evidence extends Row { evidence: string; watched: string; condition: string; began: string; duration_ns: number; row_count: number; record_count: number; cause?: Record<string, unknown>; }
const SIGN_DULL = new Set(["time", "item", "kind", "node", "cgroup"]);
/** What it waits for, and what it collected when that came: docs/armed.md. */
function ArmedPart({ item, armed }: { item: Item; armed: Armed }) {
  const kept = useAsk(`evidence ${item.name} ${armed.wakes} ${armed.state}`, (stop) => ask<{ records: Evidence[] }>(`v1/records/evidence?source=recent&order=desc&limit=5&filter=${encodeURIComponent(`watched = "${item.name}"`)}`, { signal: stop }), false);
  return <section aria-label="armed"><div class="section-head"><h3>Armed</h3><span class="dim">{armed.state}{armed.left_ns ? `, for ${duration(armed.left_ns)} more` : ""}</span></div>
    <Facts of={{ when: armed.when, awake: duration(armed.awake_ns), cooldown: duration(armed.cooldown_ns), wakes: armed.wakes }} filters={false} />
    {kept.error ? <Failed error={kept.error} /> : kept.data?.records.map((one) => <details key={one.evidence}><summary><Name text={`${one.began} for ${duration(one.duration_ns)}: ${count(one.row_count)} rows, ${count(one.record_count)} records`} cut={120} /></summary>
      <Facts of={Object.fromEntries(Object.entries(one.cause ?? {}).filter(([key]) => !SIGN_DULL.has(key)))} filters={false} /></details>)}
    {kept.data && kept.data.records.length > 0 && <p class="faint" style={{ fontSize: 12 }}>sonde evidence {kept.data.records[0]!.evidence} shows all of the newest.</p>}
  </section>;
}

function Detail({ item }: { item: Item }) {
  const whole = useAsk(`item ${item.name} ${item.on}`, (stop) => ask<ItemWhole>(`v1/items/${encodeURIComponent(item.name)}`, { signal: stop }), false);
  const rates = itemRates.value[item.name], state = stateOf(item);
  const params = whole.data?.description?.params ?? [];
  const turn = () => void change(item, { on: !item.on }, `${item.name} is ${item.on ? "off" : "on"}.`);
  return <Pane title={<Name text={item.name} />}>
    <div style={{ display: "flex", gap: 12, alignItems: "center" }}><button type="button" class="switch" role="switch" aria-checked={item.on} aria-label={`${item.name} on`} onClick={turn} />
      <span>{state === "on" ? <span class="ok">on</span> : <span class="dim">{state}</span>}{item.reason && <span class="warn">: <Name text={item.reason} cut={300} /></span>}</span></div>
    <p>{sentence(item.help)}</p>
    <div class="figures">
      <div class="figure"><div class="what">events</div><div class="value">{item.on ? perSecond(busiest(item)) : "-"}</div></div>
      <div class="figure"><div class="what">cost of one</div><div class="value">{duration(item.ns_per_run)}</div></div>
      <div class="figure"><div class="what">CPU</div><div class="value">{item.on ? percent(rates?.cpu) : "-"}</div></div>
      <div class="figure"><div class="what">lost</div><div class={`value${item.events.lost ? " bad" : ""}`}>{count(item.events.lost)}</div></div>
    </div>
    {item.armed && <ArmedPart item={item} armed={item.armed} />}
    <section aria-label="live output"><div class="section-head"><h3>What it tells now</h3>{item.name === "requests" && <a href={addressOf({ view: "requests" })}>all requests</a>}</div><Live item={item} whole={whole.data} /></section>
    {whole.error ? <Failed error={whole.error} /> : <>
      {params.length > 0 && <section aria-label="parameters"><div class="section-head"><h3>Parameters</h3><span class="dim">take effect at once</span></div><Parameters item={item} list={params} /></section>}
      <section aria-label="hooks"><div class="section-head"><h3>Hooks</h3></div>{item.hooks.length ? <Facts of={Object.fromEntries(item.hooks.map((hook) => [hook.hook, hook.section ?? `not attached${hook.reason ? `: ${hook.reason}` : ""}`]))} filters={false} /> : <p class="faint" style={{ fontSize: 12 }}>{item.on ? "None: it reads what the kernel shows in files." : "None while it is off."}</p>}</section>
      <section aria-label="settings"><div class="section-head"><h3>Settings</h3></div><Facts of={item.settings} filters={false} /></section>
      <section aria-label="counting"><div class="section-head"><h3>Its events so far</h3></div><Facts of={Object.fromEntries(Object.entries(item.events).filter(([, value]) => typeof value === "number"))} filters={false} /></section>
    </>}
  </Pane>;
}
