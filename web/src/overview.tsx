// SPDX-License-Identifier: GPL-2.0-only
// overview - is something wrong, and what changed? Sentences first, each with the way to its evidence; then the machine, then
// services and processes.
import { useSignal } from "@preact/signals";
import { instant, items, rangeKey, rateWindow, type Sample, status, useAsk, window } from "./api";
import { askAlerts } from "./alertdata";
import { HostStrip } from "./host";
import { askSettings, settingLooks } from "./kept";
import { askMachine, changes, fromAlerts, type Level, type Look, wrongNow } from "./looks";
import { Failed, Name, NotAsked, PhaseBar, PhaseKey, Section, Since, Skeleton, State, When } from "./parts";
import { addressOf, go, place } from "./place";
import { filterForFigures, filterForMetrics, nameOf, type Red, redBy, redCompared, selector, WHO, whoOf } from "./red";
import { Table, type TableColumn } from "./table";
import { bytes, bytesRate, cores, count, duration, percent } from "./units";

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

const DOTS: Record<Level, string> = { bad: "bad", warn: "warn", better: "", other: "off" };
const SAYS: Record<Level, string> = { bad: "bad", warn: "warning", better: "better", other: "other" };

function Looks({ looks, most, dense }: { looks: Look[]; most: number; dense?: boolean }) {
  const all = useSignal(false);
  return <><ul class={dense ? "looks dense" : "looks"}>{(all.value ? looks : looks.slice(0, most)).map((look) => <li key={look.key}><span class={`dot ${DOTS[look.level]}`} role="img" aria-label={SAYS[look.level]} />
    <span class="says"><Name text={look.says} cut={300} />{look.hint && <small><Name text={look.hint} cut={300} /></small>}
      {look.also?.map((one) => <span class="also" key={one.says}><Name text={one.says} cut={300} /> <a href={one.link.to}>{one.link.text}</a></span>)}</span>
    <span class="links">{look.links.map((link) => <a key={link.text} href={link.to}>{link.text}</a>)}</span></li>)}</ul>
    {looks.length > most && <button type="button" class="control plain more" onClick={() => { all.value = !all.value; }}>{all.value ? "show fewer" : `show ${looks.length - most} more`}</button>}</>;
}

/** With which time the chosen one is compared: the hour before it, or the same length a while ago. */
function timeBefore(from: number, to: number): { thenFrom: number; thenTo: number; name: string } | null {
  const back = { hour: 3600e3, day: 86400e3, week: 604800e3, previous: 0, none: 0 }[place.value.compare];
  if (place.value.compare === "none") return null;
  if (back) return { thenFrom: from - back, thenTo: to - back, name: `the same time ${{ 3600e3: "an hour", 86400e3: "a day", 604800e3: "a week" }[back]} before` };
  const length = Math.max(3600e3, to - from);
  return { thenFrom: from - length, thenTo: from, name: length > 3600e3 ? "the time before" : "the hour before" };
}

/** Those that answer; and those that only ask, where nobody is seen who answers them. */
function servers<T extends { labels: Record<string, string> }>(list: T[] = []): T[] {
  const answering = list.filter((red) => red.labels.side === "server"), seen = new Set(answering.map((red) => whoOf(red.labels)));
  return [...answering, ...list.filter((red) => red.labels.side !== "server" && !seen.has(whoOf(red.labels)))];
}

function Changed({ filter }: { filter: string }) {
  const { from, to, seconds } = window(), then = timeBefore(from, to), key = `${rangeKey()} ${filter} ${place.value.compare}`;
  const oldest = Date.parse(status.value?.store?.tables.find((table) => table.name === "requests")?.from ?? "") || Infinity;
  /* what the history does not hold cannot have changed: what is there of that time is enough where it is a minute */
  const since = then ? Math.max(then.thenFrom, Math.min(oldest, then.thenTo)) : 0, known = !!then && then.thenTo - since >= 60e3;
  const minute = Math.floor(to / 60e3); /* an hour is much to read: once a minute is enough */
  const asked = useAsk(`changed ${key} ${known} ${minute}`, async (stop) => {
    if (!then || !known) return null;
    const [compared, machine] = await Promise.all([redCompared([...WHO, "protocol", "side"], filter, { from, to, thenFrom: since, thenTo: then.thenTo }, stop), filter ? undefined : askMachine({ from, to, thenFrom: since, thenTo: then.thenTo }, stop)]);
    return changes(servers(compared), machine, seconds);
  }, false);
  const settings = useAsk(`settings ${rangeKey()}`, (stop) => askSettings(from, to, 20, stop)), set = settingLooks(settings.data ?? []);
  if (!then) return null;
  const title = `What changed against ${then.name}`;
  return <section aria-label="what changed"><div class="section-head"><h2>{title}</h2>{known && since > then.thenFrom + 60e3 && <span class="dim">as far as it is known: since <When ms={since} /></span>}</div>
    {asked.error && !asked.data ? <p class="faint">It could not be asked: {asked.error.message}.</p> : (asked.loading && !asked.data) || !status.value ? <Skeleton lines={2} />
      : !asked.data ? <><p class="faint">{Number.isFinite(oldest) ? <>The history begins <When ms={oldest} />: it holds too little of that time.</> : "The history holds nothing of that time."}</p>{set.length > 0 && <Looks looks={set} most={3} dense />}</>
      : asked.data.length + set.length ? <Looks looks={[...asked.data, ...set]} most={6} dense /> : <p class="calm"><span class="dot" />Nothing that matters.</p>}
  </section>;
}

export function Overview() {
  const { from, to, seconds } = window();
  const filtered = filterForFigures(), key = `${rangeKey()} ${filtered.text}`;
  const services = useAsk(`services ${key}`, (stop) => redBy([...WHO, "protocol", "side"], filtered.text, from, to, stop));
  const host = useAsk(`looks ${key}`, async (stop) => {
    const [oom, space] = await Promise.all([
      instant(`sum(increase(sonde_mem_oom_kills_total[${seconds}s]))`, to, stop),
      instant('sonde_disk_filesystem_available_bytes{fstype!~"tmpfs|squashfs|overlay|iso9660"} / sonde_disk_filesystem_size_bytes < 0.1', to, stop)]);
    return { oom, space } as { oom: Sample[]; space: Sample[] };
  });
  const alerts = useAsk("alerts", (stop) => askAlerts(stop));
  const processMatch = filterForMetrics(["process", "container", "pod", "namespace", "service", "node"]);
  const processes = useAsk(`processes ${rangeKey()} ${processMatch.matchers}`, (stop) => processRows(processMatch.matchers, to, seconds, stop));
  const oldest = Date.parse(status.value?.store?.tables.find((table) => table.name === "requests")?.from ?? "") || Infinity;
  const list = servers(services.data), firing = place.value.range.last ? (alerts.data ?? []).filter((alert) => alert.state === "firing") : [];
  const looks = services.data && host.data ? [...fromAlerts(firing), ...wrongNow(list.filter((red) => red.labels.side === "server" && red.rate * seconds >= 50), firing, host.data)].sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad")) : [];
  const requests = items.value.find((item) => item.name === "requests");
  return <div class="view">
    <section aria-label="what needs a look">
      {!services.data && !services.error ? <Skeleton lines={2} /> : looks.length === 0
        ? services.error || host.error ? <p class="calm"><span class="dot off" />What stands out is not known: the agent could not be asked.</p>
        : oldest > to ? <p class="calm"><span class="dot off" />Nothing is known of this time.</p>
        : <p class="calm"><span class="dot" />Nothing needs a look.</p>
        : <><div class="section-head"><h2>{looks.length === 1 ? "One thing needs a look" : `${looks.length} things need a look`}</h2></div><Looks looks={looks} most={4} /></>}
    </section>
    <HostStrip />
    <Changed filter={filtered.text} />
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
