// SPDX-License-Identifier: GPL-2.0-only
// status - the agent itself: can it be believed, what does it cost, how far back does it remember?
import { ask, grid, instant, items, rangeKey, rateWindow, status, stepFor, useAsk, window } from "./api";
import { GridChart } from "./chart";
import { SettingsHistory } from "./kept";
import { Facts, Failed, Name, Section, Skeleton } from "./parts";
import { addressOf, go } from "./place";
import { Table, type TableColumn } from "./table";
import { absolute, ago, bytes, count, duration, percent } from "./units";

interface Part { name: string; value: number; limit?: number; }
const PARTS: TableColumn<Part>[] = [
  { name: "name", width: "40%", value: (part) => part.name, cell: (part) => <Name text={part.name} />, phone: "main" },
  { name: "entries", numeric: true, value: (part) => part.value, cell: (part) => count(part.value), phone: "side" },
  { name: "limit", numeric: true, value: (part) => part.limit, cell: (part) => count(part.limit), phone: "sub" },
  { name: "full", numeric: true, value: (part) => part.value / (part.limit || 1), cell: (part) => <span class={part.limit && part.value / part.limit > 0.9 ? "bad" : ""}>{part.limit ? percent(part.value / part.limit) : "-"}</span>, phone: "subside" },
];
const ROOMS: TableColumn<Part>[] = [
  { name: "room", width: "60%", value: (part) => part.name, cell: (part) => <Name text={part.name} />, phone: "main" },
  { name: "memory", numeric: true, value: (part) => part.value, cell: (part) => bytes(part.value), phone: "side" },
];
interface Kept { name: string; rows: number; bytes: number; from?: string; to?: string; }
const KEPT: TableColumn<Kept>[] = [
  { name: "table", width: "30%", value: (one) => one.name, cell: (one) => <Name text={one.name} />, phone: "main" },
  { name: "rows", numeric: true, value: (one) => one.rows, cell: (one) => count(one.rows), phone: "side" },
  { name: "size", numeric: true, value: (one) => one.bytes, cell: (one) => bytes(one.bytes), phone: "subside" },
  { name: "since", numeric: true, value: (one) => one.from, cell: (one) => one.from ? ago(Date.parse(one.from)) : "-", tip: (one) => one.from && absolute(Date.parse(one.from)), phone: "sub" },
];
interface Loss { item: string; lost: number; why: string; }
const LOSSES: TableColumn<Loss>[] = [
  { name: "item", width: "30%", value: (one) => one.item, cell: (one) => <Name text={one.item} />, phone: "main" },
  { name: "lost", numeric: true, width: "20%", value: (one) => one.lost, cell: (one) => <span class="bad">{count(one.lost)}</span>, phone: "side" },
  { name: "why", cell: (one) => <Name text={one.why} />, phone: "sub" },
];

const pairs = (of?: Record<string, unknown>) => Object.fromEntries(Object.entries(of ?? {}).filter(([, value]) => typeof value !== "object"));

export function StatusView() {
  const { from, to } = window();
  const now = status.value, step = stepFor(from, to), over = `[${rateWindow(step)}s]`;
  const cpu = useAsk(`own cpu ${rangeKey()}`, (stop) => grid(`rate(sonde_process_cpu_seconds_total${over}) or label_replace(sum(rate(sonde_item_program_seconds_total${over})), "process", "programs in the kernel", "", "")`, from, to, step, stop));
  const memory = useAsk(`own memory ${rangeKey()}`, (stop) => grid('sonde_memory_bytes{room=~"broker|worker"}', from, to, step, stop));
  const events = useAsk(`own events ${rangeKey()}`, (stop) => grid(`sum by (item) (rate(sonde_item_events_total{stage="emitted"}${over})) > 0`, from, to, step, stop));
  const tables = useAsk("own tables", async (stop) => {
    const [entries, limits, rooms] = await Promise.all(["sonde_table_entries", "sonde_table_limit", "sonde_memory_bytes"].map((query) => instant(query, Date.now(), stop)));
    const limit = new Map(limits!.map((one) => [one.labels.table, one.value]));
    return { parts: entries!.map((one) => ({ name: one.labels.table!, value: one.value, limit: limit.get(one.labels.table) })), rooms: rooms!.map((one) => ({ name: one.labels.room!, value: one.value })) };
  });
  const features = useAsk("features", (stop) => ask<{ features: { name: string; there: boolean; for: string }[] }>("v1/features", { signal: stop }), false);
  if (!now) return <div class="view"><Skeleton lines={12} /></div>;
  const losses = items.value.filter((item) => item.events.lost > 0 || item.events.dropped > 0).map((item): Loss => ({ item: item.name, lost: (item.events.lost ?? 0) + (item.events.dropped ?? 0),
    why: Object.entries(item.events.lost_by_reason ?? {}).map(([reason, number]) => `${reason}: ${count(number)}`).join(", ") || (item.events.dropped ? "dropped" : "the ring was full") }));
  const store = now.store, spent = now.broker.cpu_seconds + now.worker.cpu_seconds;
  const others = Object.entries(now).filter(([key, value]) => typeof value === "object" && value && !["broker", "worker", "items", "skipped", "losses", "store"].includes(key) && Object.keys(value).length > 0);
  return <div class="view">
    <div class="figures">
      <div class="figure"><div class="what">sonde {now.version}</div><div class="value">up {duration(now.uptime_ns)}</div></div>
      <div class="figure"><div class="what">CPU since its start</div><div class="value">{percent(spent / (now.uptime_ns / 1e9))}</div></div>
      <div class="figure"><div class="what">memory</div><div class="value">{bytes(now.broker.resident_bytes + now.worker.resident_bytes)}</div></div>
      <div class="figure"><div class="what">items on</div><div class="value"><a href={addressOf({ view: "items" })}>{now.items.on} of {now.items.on + now.items.off + now.items.skipped}</a></div></div>
      <div class="figure"><div class="what">lost</div><div class={`value${losses.length ? " bad" : ""}`}>{losses.length ? count(losses.reduce((sum, one) => sum + one.lost, 0)) : "nothing"}</div></div>
      {store && <div class="figure"><div class="what">history</div><div class="value">{bytes(store.bytes)}</div><div class="change">of {bytes(store.limit_bytes)}</div></div>}
    </div>
    {store && store.mode !== "writes" && <p class="notice bad">The history is not written: <Name text={store.reason ?? store.mode} /></p>}
    {losses.length > 0 && <Section title="Not seen" note="events that were lost on their way: figures of these items are too low by as many"><Table label="losses" columns={LOSSES} rows={losses} id={(one) => one.item} sort="-lost" limit={50} choose={(one) => go({ view: "items", open: one.item })} /></Section>}
    {now.skipped.length > 0 && <Section title="Skipped" note="what this kernel or privilege cannot"><Facts of={Object.fromEntries(now.skipped.map((one) => [one.name, one.reason]))} filters={false} /></Section>}
    <div class="charts">
      <GridChart title="CPU of sonde" unit="of one processor" asked={cpu} name={(labels) => labels.process ?? ""} format={percent} />
      <GridChart title="Memory of sonde" asked={memory} name={(labels) => labels.room ?? ""} format={bytes} />
      <GridChart title="Events from the kernel" unit="a second" asked={events} name={(labels) => labels.item ?? ""} format={count} />
    </div>
    <div class="columns">
      {store ? <Section title="What the history holds" note={<Name text={store.path} />}><Table label="history" columns={KEPT} rows={store.tables} id={(one) => one.name} sort="-bytes" limit={40} /></Section> : <Section title="History"><p class="dim">None is kept (store.on is false): the last records stay in memory.</p></Section>}
      <Section title="Tables in memory">{tables.error ? <Failed error={tables.error} /> : !tables.data ? <Skeleton /> : <Table label="tables" columns={PARTS} rows={tables.data.parts} id={(part) => part.name} sort="-full" limit={20} />}</Section>
    </div>
    <div class="columns">
      <Section title="What this kernel can">{features.error && !features.data ? <Failed low error={features.error} /> : features.data ? <Facts of={Object.fromEntries(features.data.features.map((one) => [one.name, `${one.there ? "yes" : "no"}: ${one.for}`]))} filters={false} /> : <Skeleton lines={4} />}</Section>
      <Section title="Memory by room">{tables.data && <Table label="rooms" columns={ROOMS} rows={tables.data.rooms} id={(part) => part.name} sort="-memory" limit={20} />}
        {store && <div style={{ marginTop: 16 }}><div class="section-head"><h2>History, counted</h2></div><Facts of={Object.fromEntries(Object.entries(store.records).map(([key, value]) => [`records ${key}`, value]).concat(Object.entries(store.samples).map(([key, value]) => [`samples ${key}`, value])))} filters={false} /></div>}</Section>
    </div>
    <SettingsHistory />
    {others.map(([key, value]) => <Section key={key} title={key}><Facts of={pairs(value as Record<string, unknown>)} filters={false} /></Section>)}
    <p class="faint" style={{ fontSize: 12 }}>As data: <a href="v1/status">status</a> · <a href="v1/self">self</a> · <a href="v1/config">configuration</a> · <a href="metrics">metrics</a> · <a href="v1/openapi.json">the API</a> · <a href="notices.txt">works of others in this page</a></p>
  </div>;
}
