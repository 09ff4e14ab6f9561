// SPDX-License-Identifier: GPL-2.0-only
// overview - is something wrong, and what changed? Sentences first, each with the way to its evidence; then the machine, then
// services and processes.
import { useSignal } from "@preact/signals";
import { instant, rangeKey, rateWindow, stepFor, useAsk, window, grid, type Grid, type Sample, status, items } from "./api";
import { askAlerts, adviceOf, evidenceOf, titleOf } from "./alertdata";
import { Chart } from "./chart";
import { NotAsked, Name, PhaseBar, PhaseKey, Section, Since, Skeleton, State, Failed, toRequests, toService, When } from "./parts";
import { addressOf, compareName, compareSeconds, go, place } from "./place";
import { filterForFigures, filterForMetrics, nameOf, PHASES, PHASE_NAMES, type Red, redBy, selector, WHO, whoOf } from "./red";
import { Table, type TableColumn } from "./table";
import { bytes, bytesRate, cores, count, duration, percent, plural } from "./units";
import { condition } from "./filter";

interface Look { key: string; level: "bad" | "warn"; says: string; hint?: string; links: { text: string; to: string }[]; }

export const REAL_DISKS = 'device!~"loop.*|ram.*|dm-.*|md.*|zram.*"';
export const HOST = {
  cpu: (over: string) => `1 - sum(rate(sonde_cpu_host_seconds_total{mode=~"idle|iowait"}${over})) / sum(rate(sonde_cpu_host_seconds_total{mode!~"guest|guest_nice"}${over}))`,
  memory: () => 'sum(1 - sonde_mem_host_bytes{kind="available"} / ignoring(kind) sonde_mem_host_bytes{kind="total"})',
  disk: (over: string) => `sum(rate(sonde_disk_bytes_total{op=~"read|write",${REAL_DISKS}}${over}))`,
  network: (over: string) => `sum(rate(sonde_nic_bytes_total{interface!="lo"}${over}))`,
  pressure: (over: string) => ["cpu", "mem", "disk"].map((what) => `label_replace(sum(rate(sonde_${what}_pressure_seconds_total{kind="some"}${over})), "of", "${what}", "", "")`).join(" or "),
};
const PRESSURE_NAMES: Record<string, string> = { cpu: "cpu", mem: "memory", disk: "io" };

const byWho = (labels: Record<string, string>, ...conditions: string[]) => {
  const who = WHO.find((word) => labels[word]);
  return [...(who ? [condition(who, "=", labels[who]!)] : []), ...conditions].join(" and ");
};

/** What stands out: alerts that fire, then what the figures themselves say. */
function looksOf(now: Red[], before: Red[], host: Record<string, Sample[]>): Look[] {
  const looks: Look[] = [];
  const past = new Map(before.map((red) => [whoOf(red.labels) + red.labels.protocol, red]));
  for (const red of now) {
    const name = nameOf(red.labels), then = past.get(whoOf(red.labels) + red.labels.protocol);
    const share = red.errors / red.rate, shareThen = then ? then.errors / then.rate : undefined;
    const links = [{ text: "see requests", to: toRequests(byWho(red.labels, "error")) }, { text: "see service", to: toService(name) }];
    if (share >= 0.05 || (share >= 0.01 && (shareThen === undefined || share >= 2 * shareThen))) {
      looks.push({ key: `errors ${name}${red.labels.protocol}`, level: share >= 0.05 ? "bad" : "warn", links,
        says: `${name}: ${percent(share)} of ${red.labels.protocol} requests fail`, hint: shareThen === undefined ? `${count(red.errors)} errors/s of ${count(red.rate)} requests/s` : `${percent(shareThen)} ${compareName.value}` });
    }
    if (then?.p99 && red.p99 && red.p99 >= 2 * then.p99 && red.p99 - then.p99 >= 0.005) {
      const grown = PHASES.map((phase) => ({ phase, by: (red.phases[phase] ?? 0) - (then.phases[phase] ?? 0), times: (red.phases[phase] ?? 0) / (then.phases[phase] || 1e-9) })).sort((a, b) => b.by - a.by)[0];
      looks.push({ key: `slow ${name}${red.labels.protocol}`, level: red.p99 >= 5 * then.p99 ? "bad" : "warn",
        says: `${name}: ${red.labels.protocol} p99 ${duration(then.p99 * 1e9)} → ${duration(red.p99 * 1e9)}`,
        hint: grown && grown.by > 0 ? `most of it in ${PHASE_NAMES[grown.phase]}: ${duration((then.phases[grown.phase] ?? 0) * 1e9)} → ${duration((red.phases[grown.phase] ?? 0) * 1e9)} on average` : `against ${compareName.value}`,
        links: [{ text: "see requests", to: toRequests(byWho(red.labels, `duration_ns >= ${duration(then.p99 * 2e9).replace("\u202f", "").replace("µ", "u")}`)) }, { text: "see phases", to: toService(name) }] });
    }
    if (then && then.rate >= 1 && red.rate < then.rate * 0.3) {
      looks.push({ key: `less ${name}${red.labels.protocol}`, level: "warn", says: `${name}: ${red.labels.protocol} requests fell from ${count(then.rate)}/s to ${count(red.rate)}/s`, hint: `against ${compareName.value}`, links: links.slice(1) });
    }
  }
  const oom = host.oom?.[0]?.value ?? 0;
  if (oom >= 0.5) looks.push({ key: "oom", level: "bad", says: `${plural(Math.round(oom), "process was", "processes were")} killed for want of memory`, links: [{ text: "see events", to: addressOf({ view: "events", filter: "signal = SIGKILL" }) }] });
  for (const one of host.space ?? []) looks.push({ key: `space ${one.labels.mount}`, level: one.value < 0.05 ? "bad" : "warn", says: `${one.labels.mount} has ${percent(one.value)} of its space left`, links: [] });
  for (const [item, lost] of Object.entries(place.value.range.last ? status.value?.losses ?? {} : {})) {
    looks.push({ key: `lost ${item}`, level: "warn", says: `${item}: ${plural(lost, "event was", "events were")} lost in sonde itself`, hint: "figures of this item are too low by that", links: [{ text: "see status", to: addressOf({ view: "status" }) }] });
  }
  const store = status.value?.store;
  if (store && store.mode !== "writes") looks.push({ key: "store", level: "warn", says: `the history is not written: ${store.reason ?? store.mode}`, links: [{ text: "see status", to: addressOf({ view: "status" }) }] });
  return looks.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
}

function Meter({ what, values, times, format, most, note }: { what: string; values: (number | null)[]; times: number[]; format: (value: number) => string; most?: number; note?: string }) {
  const last = values.findLast((value) => value !== null);
  return <a class="meter" href={addressOf({ view: "processes" })}>
    <div class="what"><span>{what}</span>{note && <span class="faint cut">{note}</span>}</div>
    <div class="value">{last === undefined || last === null ? "-" : format(last)}</div>
    <Chart title={what} bare height={36} most={most} lines={[{ name: what, values }]} times={times} format={format} />
  </a>;
}

export function HostStrip() {
  const { from, to } = window();
  const step = stepFor(from, to, 90), over = `[${rateWindow(step)}s]`;
  const host = useAsk(`host ${rangeKey()}`, async (stop) => {
    const [cpu, memory, disk, network, pressure] = await Promise.all([HOST.cpu(over), HOST.memory(), HOST.disk(over), HOST.network(over), HOST.pressure(over)].map((query) => grid(query, from, to, step, stop)));
    return { cpu, memory, disk, network, pressure } as Record<"cpu" | "memory" | "disk" | "network" | "pressure", Grid>;
  });
  if (host.error && !host.data) return <Failed low error={host.error} />;
  if (!host.data) return <Skeleton lines={3} />;
  const of = (what: Grid) => ({ values: what.series[0]?.values ?? [], times: what.times });
  const pressures = host.data.pressure.series;
  const worst = pressures.map((one) => ({ name: PRESSURE_NAMES[one.labels.of!] ?? "", last: one.values.findLast((value) => value !== null) ?? 0, values: one.values })).sort((a, b) => b.last - a.last)[0];
  return <div class="strip">
    <Meter what="cpu" {...of(host.data.cpu)} format={percent} most={1} />
    <Meter what="memory" {...of(host.data.memory)} format={percent} most={1} />
    <Meter what="disk" {...of(host.data.disk)} format={bytesRate} />
    <Meter what="network" {...of(host.data.network)} format={bytesRate} note="without lo" />
    <Meter what={worst ? `pressure: ${worst.name}` : "pressure"} values={worst?.values ?? []} times={host.data.pressure.times} format={percent} most={0.2} note="some waited" />
  </div>;
}

export const SERVICE_COLUMNS: TableColumn<Red>[] = [
  { name: "service", width: "26%", value: (red) => nameOf(red.labels), cell: (red) => <Name text={nameOf(red.labels)} />, phone: "main" },
  { name: "protocol", width: "11%", value: (red) => red.labels.protocol, cell: (red) => <span class="dim">{red.labels.protocol}</span>, phone: "sub" },
  { name: "rate", title: "req/s", numeric: true, width: "10%", value: (red) => red.rate, cell: (red) => count(red.rate), phone: "side", help: "requests a second, on average over the range" },
  { name: "errors", numeric: true, width: "10%", value: (red) => red.errors / red.rate, cell: (red) => <span class={red.errors / red.rate >= 0.01 ? "bad" : red.errors ? "" : "faint"}>{red.errors ? percent(red.errors / red.rate) : "0"}</span>, phone: "sub", help: "share of requests that failed" },
  { name: "p50", numeric: true, width: "11%", value: (red) => red.p50, cell: (red) => duration(red.p50 && red.p50 * 1e9), help: "half of the requests were faster" },
  { name: "p99", numeric: true, width: "11%", value: (red) => red.p99, cell: (red) => duration(red.p99 && red.p99 * 1e9), phone: "subside", help: "99 of 100 requests were faster" },
  { name: "phases", title: "where the time goes", cell: (red) => <PhaseBar phases={Object.fromEntries(Object.entries(red.phases).map(([phase, value]) => [phase, value! * 1e9]))} whole={red.mean && red.mean * 1e9} /> },
];

interface ProcessRow { name: string; container: string; cpu: number; memory?: number; io?: number; }
const PROCESS_COLUMNS: TableColumn<ProcessRow>[] = [
  { name: "process", width: "44%", value: (row) => row.name, cell: (row) => <><Name text={row.name} />{row.container && <span class="faint"> <Name text={row.container} /></span>}</>, phone: "main" },
  { name: "cpu", numeric: true, value: (row) => row.cpu, cell: (row) => cores(row.cpu), phone: "side", help: "processors in use, on average over the range" },
  { name: "memory", numeric: true, value: (row) => row.memory, cell: (row) => bytes(row.memory), phone: "sub" },
  { name: "io", title: "disk", numeric: true, value: (row) => row.io, cell: (row) => bytesRate(row.io), phone: "subside" },
];

export async function processRows(matchers: string, toMs: number, seconds: number, stop: AbortSignal): Promise<ProcessRow[]> {
  const over = `[${Math.max(seconds, rateWindow(1))}s]`, at = selector(matchers), by = "process,container";
  const [cpu, memory, io] = await Promise.all([`sum by (${by}) (rate(sonde_cpu_seconds_total${at}${over}))`, `sum by (${by}) (sonde_mem_resident_bytes${at})`, `sum by (${by}) (rate(sonde_disk_process_bytes_total${at}${over}))`].map((query) => instant(query, toMs, stop)));
  const found = new Map<string, ProcessRow>();
  const row = (sample: Sample) => {
    const key = `${sample.labels.process}\u0001${sample.labels.container ?? ""}`;
    if (!found.has(key)) found.set(key, { name: sample.labels.process ?? "-", container: sample.labels.container ?? "", cpu: 0 });
    return found.get(key)!;
  };
  for (const sample of cpu!) row(sample).cpu = sample.value;
  for (const sample of memory!) row(sample).memory = sample.value;
  for (const sample of io!) row(sample).io = sample.value;
  return [...found.values()].sort((a, b) => b.cpu - a.cpu);
}

const LOOKS = 5;

export function Overview() {
  const all = useSignal(false);
  const { from, to, seconds } = window();
  const filtered = filterForFigures();
  const by = [...WHO, "protocol", "side"], key = `${rangeKey()} ${filtered.text}`;
  const services = useAsk(`services ${key}`, (stop) => redBy(by, filtered.text, from, to, stop));
  const back = compareSeconds.value;
  const before = useAsk(`before ${key} ${back}`, (stop) => back ? redBy(by, filtered.text, from - back * 1000, to - back * 1000, stop) : Promise.resolve([]));
  const host = useAsk(`looks ${key}`, async (stop) => {
    const [oom, space] = await Promise.all([
      instant(`sum(increase(sonde_mem_oom_kills_total[${seconds}s]))`, to, stop),
      instant('sonde_disk_filesystem_available_bytes{fstype!~"tmpfs|squashfs|overlay|iso9660"} / sonde_disk_filesystem_size_bytes < 0.1', to, stop)]);
    return { oom, space } as Record<string, Sample[]>;
  });
  const alerts = useAsk("alerts", (stop) => askAlerts(stop));
  const processMatch = filterForMetrics(["process", "container", "pod", "namespace", "service", "node"]);
  const processes = useAsk(`processes ${rangeKey()} ${processMatch.matchers}`, (stop) => processRows(processMatch.matchers, to, seconds, stop));

  const servers = (list: Red[] = []) => {
    const answering = list.filter((red) => red.labels.side === "server");
    const seen = new Set(answering.map((red) => whoOf(red.labels)));
    return [...answering, ...list.filter((red) => red.labels.side !== "server" && !seen.has(whoOf(red.labels)))];
  };
  // two spans are only compared where the history holds both: a service just met has no before
  const oldest = Date.parse(status.value?.store?.tables.find((table) => table.name === "requests")?.from ?? "") || Infinity;
  /* what an alert says already is not said twice */
  const firing = (alerts.data ?? []).filter((alert) => alert.state === "firing");
  const told = (look: Look) => firing.some((alert) => {
    const name = alert.labels.service || alert.labels.container || alert.labels.process, kind = alert.labels.alertname ?? "";
    return (look.key.startsWith("errors ") && /error/i.test(kind) && look.key.startsWith(`errors ${name}`)) || (look.key.startsWith("lost ") && /los[ts]/i.test(kind)) || (look.key === "oom" && /oom/i.test(kind));
  });
  const looks = services.data && host.data ? [
    ...(place.value.range.last ? firing : []).map((alert, at): Look => ({ key: `alert ${at}`, level: alert.labels.severity === "warning" || alert.labels.severity === "info" ? "warn" : "bad", says: titleOf(alert), hint: adviceOf(alert),
      links: [{ text: "see the evidence", to: evidenceOf(alert) }, { text: "see alert", to: addressOf({ view: "alerts" }) }] })),
    ...looksOf(servers(services.data).filter((red) => red.labels.side === "server" && red.rate * seconds >= 50), oldest < from - back * 1000 + (to - from) / 2 ? servers(before.data).filter((red) => red.rate * seconds >= 20) : [], host.data).filter((look) => !told(look))] : [];
  const list = servers(services.data);
  const requests = items.value.find((item) => item.name === "requests");
  return <div class="view">
    <section aria-label="what needs a look">
      {!services.data && !services.error ? <Skeleton lines={2} /> : looks.length === 0
        ? services.error || host.error ? <p class="calm"><span class="dot off" />What stands out is not known: the agent could not be asked.</p>
        : oldest > to ? <p class="calm"><span class="dot off" />Nothing is known of this time.</p>
        : <p class="calm"><span class="dot" />Nothing stands out{back ? `, also against ${compareName.value}` : ""}.</p>
        : <><div class="section-head"><h2>{looks.length === 1 ? "One thing needs a look" : `${looks.length} things need a look`}</h2></div>
          <ul class="looks">{(all.value ? looks : looks.slice(0, LOOKS)).map((look) => <li key={look.key}><span class={`dot ${look.level}`} role="img" aria-label={look.level === "bad" ? "bad" : "warning"} /><span class="says"><Name text={look.says} cut={300} />{look.hint && <small><Name text={look.hint} cut={300} /></small>}</span>{look.links.map((link) => <a key={link.text} href={link.to}>{link.text}</a>)}</li>)}</ul>
          {looks.length > LOOKS && <button type="button" class="control plain" onClick={() => { all.value = !all.value; }}>{all.value ? "show the first ones only" : `show ${looks.length - LOOKS} more`}</button>}</>}
    </section>
    <HostStrip />
    <div class="columns">
      <Section title="Services" note={list.length ? <PhaseKey /> : undefined} link={{ text: "all requests", to: addressOf({ view: "requests" }) }}>
        <NotAsked left={filtered.left} of="these figures" />
        {services.error ? <Failed error={services.error} /> : !services.data ? <Skeleton /> : list.length === 0
          ? <State title="No requests in this range.">{requests && !requests.on ? <p>The item <code>requests</code> is off. <a href={addressOf({ view: "items", open: "requests" })}>Switch it on.</a></p> : Number.isFinite(oldest) && oldest > to ? <p>The history begins <When ms={oldest} />.</p> : <p>As soon as a process of this machine asks or answers one (HTTP, PostgreSQL, MySQL, Redis, memcached, DNS), its service stands here.</p>}</State>
          : <Table label="services" columns={SERVICE_COLUMNS} rows={list} id={(red) => whoOf(red.labels) + red.labels.protocol + red.labels.side} sort="-rate" orderKey={key} limit={14} choose={(red) => go({ view: "service", name: nameOf(red.labels) })} />}
      </Section>
      <Section title="Processes" link={{ text: "all processes", to: addressOf({ view: "processes" }) }}>
        {processes.error ? <Failed error={processes.error} /> : !processes.data ? <Skeleton /> : processes.data.length === 0 ? <State title="No process in this range."><Since table="samples" /></State>
          : <Table label="processes" columns={PROCESS_COLUMNS} rows={processes.data} id={(row) => `${row.name} ${row.container}`} sort="-cpu" orderKey={key} limit={14} choose={(row) => go({ view: "processes", open: `${row.name}\u0001${row.container}` })} />}
      </Section>
    </div>
  </div>;
}
