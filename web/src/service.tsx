// SPDX-License-Identifier: GPL-2.0-only
// service - one service: how much is asked of it, how well it answers, where its time goes, whom it needs.
import { useSignal } from "@preact/signals";
import { grid, instant, rangeKey, rateWindow, stepFor, useAsk, window, type Sample } from "./api";
import { Chart, type Line } from "./chart";
import { condition } from "./filter";
import { Failed, Figure, Glyph, Name, NotAsked, PhaseBar, PhaseKey, Section, Since, Skeleton, State } from "./parts";
import { addressOf, compareName, compareSeconds, go, place } from "./place";
import { and, filterForFigures, nameOf, PHASES, PHASE_NAMES, type Red, redBy, redSteps, WHO, whoOf } from "./red";
import { processRows, SERVICE_COLUMNS } from "./overview";
import { Table, type TableColumn } from "./table";
import { Heat } from "./heat";
import { bytes, bytesRate, cores, count, duration, percent } from "./units";

const asNs = (value?: number) => value === undefined ? undefined : value * 1e9;
const phasesNs = (red: Red) => Object.fromEntries(Object.entries(red.phases).map(([phase, value]) => [phase, value! * 1e9]));

export const Service = () => place.value.name ? <One key={place.value.name} name={place.value.name} /> : <All />;

function All() {
  const { from, to } = window();
  const filtered = filterForFigures(), key = `${rangeKey()} ${filtered.text}`;
  const asked = useAsk(`all services ${key}`, (stop) => redBy([...WHO, "protocol", "side"], filtered.text, from, to, stop));
  const columns: TableColumn<Red>[] = [...SERVICE_COLUMNS.slice(0, 2), { name: "side", width: "8%", value: (red) => red.labels.side, cell: (red) => <span class="dim">{red.labels.side === "server" ? "answers" : "asks"}</span> }, ...SERVICE_COLUMNS.slice(2)];
  return <div class="view full">
    <div class="table-tools"><span class="dim">{asked.data ? `${new Set(asked.data.map((red) => whoOf(red.labels))).size} services` : ""}</span><span class="space" /><span class="wide-only"><PhaseKey /></span></div>
    <NotAsked left={filtered.left} of="these figures" />
    {asked.error && !asked.data ? <Failed error={asked.error} /> : !asked.data ? <Skeleton lines={12} /> : asked.data.length === 0 ? <State title={place.value.filter ? "No service matches." : "No requests in this range."}><p>A service is whatever answers or asks requests: a Kubernetes workload, a container, or a process.</p><Since table="requests" /></State>
      : <Table label="services" columns={columns} rows={asked.data} id={(red) => whoOf(red.labels) + red.labels.protocol + red.labels.side} sort="-rate" orderKey={key} choose={(red) => go({ view: "service", name: nameOf(red.labels) })} />}
  </div>;
}

/** "12 % more than the time before" */
function Change({ now, then, worse }: { now?: number; then?: number; worse: "more" | "less" | "" }) {
  if (now === undefined || !then) return <>{"\u00a0"}</>;
  const by = now / then - 1;
  if (Math.abs(by) < 0.03) return <>as {compareName.value}</>;
  const bad = Math.abs(by) > 0.25 && ((worse === "more" && by > 0) || (worse === "less" && by < 0));
  return <span class={bad ? "bad" : ""}>{by > 1 ? `${count(Number((by + 1).toPrecision(2)))} times` : percent(Math.abs(by))} {by > 1 ? "" : by > 0 ? "more than" : "less than"} {compareName.value}</span>;
}

const OPERATIONS: TableColumn<Red>[] = [
  { name: "operation", width: "34%", value: (red) => `${red.labels.operation} ${red.labels.resource ?? ""}`, cell: (red) => <><Glyph protocol={red.labels.protocol} /><Name text={`${red.labels.operation ?? ""} ${red.labels.resource ?? ""}`} cut={100} /></>, phone: "main" },
  { name: "rate", title: "req/s", numeric: true, value: (red) => red.rate, cell: (red) => count(red.rate), phone: "side" },
  { name: "errors", numeric: true, value: (red) => red.errors / red.rate, cell: (red) => <span class={red.errors / red.rate >= 0.01 ? "bad" : red.errors ? "" : "faint"}>{red.errors ? percent(red.errors / red.rate) : "0"}</span>, phone: "sub" },
  { name: "p50", numeric: true, value: (red) => red.p50, cell: (red) => duration(asNs(red.p50)) },
  { name: "p99", numeric: true, value: (red) => red.p99, cell: (red) => duration(asNs(red.p99)), phone: "subside" },
  { name: "phases", title: "where the time goes", width: "22%", cell: (red) => <PhaseBar phases={phasesNs(red)} whole={asNs(red.mean)} /> },
];
interface Peer { name: string; protocol: string; red: Red; }
const peerColumns = (title: string): TableColumn<Peer>[] => [
  { name: "peer", title, width: "40%", value: (peer) => peer.name, cell: (peer) => <><Glyph protocol={peer.protocol} /><Name text={peer.name} /></>, phone: "main" },
  { name: "rate", title: "req/s", numeric: true, value: (peer) => peer.red.rate, cell: (peer) => count(peer.red.rate), phone: "side" },
  { name: "errors", numeric: true, value: (peer) => peer.red.errors / peer.red.rate, cell: (peer) => <span class={peer.red.errors / peer.red.rate >= 0.01 ? "bad" : "faint"}>{peer.red.errors ? percent(peer.red.errors / peer.red.rate) : "0"}</span>, phone: "sub" },
  { name: "p99", numeric: true, value: (peer) => peer.red.p99, cell: (peer) => duration(asNs(peer.red.p99)), phone: "subside" },
];
const PROCESSES: TableColumn<{ name: string; container: string; cpu: number; memory?: number; io?: number }>[] = [
  { name: "process", width: "40%", value: (row) => row.name, cell: (row) => <><Name text={row.name} /> <span class="faint"><Name text={row.container} /></span></>, phone: "main" },
  { name: "cpu", numeric: true, value: (row) => row.cpu, cell: (row) => cores(row.cpu), phone: "side" },
  { name: "memory", numeric: true, value: (row) => row.memory, cell: (row) => bytes(row.memory), phone: "sub" },
  { name: "disk", numeric: true, value: (row) => row.io, cell: (row) => bytesRate(row.io), phone: "subside" },
];

const peersOf = (reds: Red[], name: (labels: Record<string, string>) => string): Peer[] => reds.map((red) => ({ name: name(red.labels), protocol: red.labels.protocol ?? "", red }));

function One({ name }: { name: string }) {
  const { from, to, seconds } = window(), filtered = filterForFigures();
  const whose = `(${WHO.map((word) => condition(word, "=", name)).join(" or ")})`;
  const wanted = useSignal<"" | "server" | "client">("");
  const sides = useAsk(`sides ${name} ${rangeKey()} ${filtered.text}`, (stop) => redBy(["side"], and(whose, filtered.text), from, to, stop));
  const server = sides.data?.find((red) => red.labels.side === "server"), client = sides.data?.find((red) => red.labels.side === "client");
  const side = wanted.value || (server || !client ? "server" : "client");
  const match = and(whose, `side = ${side}`, filtered.text), key = `${name} ${side} ${rangeKey()} ${filtered.text}`;
  const back = compareSeconds.value, ready = !!sides.data;
  const now = side === "server" ? server : client;
  const before = useAsk(`then ${key} ${back}`, (stop) => back ? redBy([], match, from - back * 1000, to - back * 1000, stop) : Promise.resolve([]));
  const then = before.data?.[0];
  const operations = useAsk(`operations ${key}`, (stop) => redBy(["protocol", "operation", "resource"], match, from, to, stop));
  const whole = useAsk(`steps ${key} ${ready}`, (stop) => redSteps([], match, from, to, stop));
  const byOperation = useAsk(`operation steps ${key} ${ready}`, (stop) => redSteps(["operation", "resource"], match, from, to, stop, 60));
  const callers = useAsk(`callers ${key}`, (stop) => redBy([...WHO, "protocol"], and("side = client", condition("remote_name", "=", name), filtered.text), from, to, stop));
  const callees = useAsk(`callees ${key}`, (stop) => redBy(["remote_name", "remote_addr", "protocol"], and(whose, "side = client"), from, to, stop));
  const processes = useAsk(`its processes ${key}`, async (stop) => {
    const [byProcess, byContainer] = await Promise.all([`process=${JSON.stringify(name)}`, `container=${JSON.stringify(name)}`].map((one) => processRows(one, to, seconds, stop)));
    return [...byProcess!, ...byContainer!.filter((row) => row.name !== name)];
  });
  const step = stepFor(from, to, 80);
  const heat = useAsk(`heat ${key}`, (stop) => grid(`sum by (le) (increase(sonde_request_duration_seconds_bucket{side="${side}",process=${JSON.stringify(name)}}[${step < 20 ? rateWindow(step) : step}s]) or increase(sonde_request_duration_seconds_bucket{side="${side}",container=${JSON.stringify(name)},process!=${JSON.stringify(name)}}[${step < 20 ? rateWindow(step) : step}s]))`, from, to, step, stop));
  const connections = useAsk(`states ${key}`, (stop) => instant(`sum by (state,direction) (sonde_tcp_connections{process=${JSON.stringify(name)}} or sonde_tcp_connections{container=${JSON.stringify(name)}})`, to, stop));

  if (sides.error && !sides.data) return <div class="view"><Failed error={sides.error} /></div>;
  if (!sides.data) return <div class="view"><Skeleton lines={14} /></div>;
  const lineOf = (label: string, pick: (red: Red) => number | undefined, extra: Partial<Line> = {}): Line => ({ name: label, values: (whole.data?.lines[0]?.reds ?? []).map((red) => red ? pick(red) ?? null : null), ...extra });
  const times = whole.data?.times ?? [], since = whole.data?.oldest;
  const isBefore = (at: number, list = times) => since !== undefined && (list[at] ?? 0) * 1000 + 10000 < since;
  const operationLines: Line[] = (byOperation.data?.lines ?? []).map((line) => ({ name: `${line.labels.operation ?? ""} ${line.labels.resource ?? ""}`.trim() || "-", values: line.reds.map((red, at) => red?.rate ?? (isBefore(at, byOperation.data!.times) ? null : 0)) }));
  const requestsOf = (...conditions: string[]) => [condition("side", "=", side), condition("process", "=", name), ...conditions].filter(Boolean).join(" and ");
  const pickCell = (fromMs: number, toMs: number, least: number, most: number) => go({ view: "requests", range: { from: Math.round(fromMs), to: Math.round(toMs) },
    filter: requestsOf(`duration_ns >= ${Math.round(least)}`, Number.isFinite(most) ? `duration_ns <= ${Math.round(most)}` : "") });
  return <div class="view">
    <div style={{ display: "flex", gap: "12px 20px", alignItems: "center", flexWrap: "wrap" }}>
      <a href={addressOf({ view: "service", name: "" })} class="dim">Services</a><h1 style={{ fontSize: 16, lineHeight: "24px", overflowWrap: "anywhere" }}><Name text={name} /></h1>
      {server && client && <div class="chips" role="group" aria-label="side"><button type="button" aria-pressed={side === "server"} onClick={() => { wanted.value = "server"; }}>what it answers</button><button type="button" aria-pressed={side === "client"} onClick={() => { wanted.value = "client"; }}>what it asks</button></div>}
      <span class="space" /><a href={addressOf({ view: "requests", filter: requestsOf() })}>see requests</a>
    </div>
    <NotAsked left={filtered.left} of="these figures" />
    {!now ? <State title="No requests of this service in this range."><p>Look at a longer time{place.value.filter ? ", or take something out of the filter" : ""}. <a href={addressOf({ view: "service", name: "" })}>All services</a></p><Since table="requests" /></State> : <>
      <div class="figures">
        <Figure what="requests" value={`${count(now.rate)}/s`} change={<Change now={now.rate} then={then?.rate} worse="less" />} />
        <Figure what="errors" value={percent(now.errors / now.rate)} bad={now.errors / now.rate >= 0.01} change={then ? <>{percent(then.errors / then.rate)} {compareName.value}</> : undefined} />
        <Figure what="p50" value={duration(asNs(now.p50))} change={<Change now={now.p50} then={then?.p50} worse="more" />} />
        <Figure what="p90" value={duration(asNs(now.p90))} change={<Change now={now.p90} then={then?.p90} worse="more" />} />
        <Figure what="p99" value={duration(asNs(now.p99))} change={<Change now={now.p99} then={then?.p99} worse="more" />} />
      </div>
      <div class="charts pairs">
        <Chart unhatched since={since} title="Requests by operation" unit="a second" lines={operationLines} times={byOperation.data?.times ?? []} format={count} loading={byOperation.loading} error={byOperation.error?.message} labels={operationLines.length <= 5 && operationLines.every((line) => line.name.length < 16)} />
        <Chart unhatched since={since} title="Errors" unit="a second" lines={[{ name: "errors", values: times.map((_, at) => whole.data?.lines[0]?.reds[at]?.errors ?? (isBefore(at) ? null : 0)), color: "bad", fill: true }]} times={times} format={count} loading={whole.loading} error={whole.error?.message} />
        <Chart unhatched log since={since} title="Duration" unit="each line ten times the one below" lines={[lineOf("p50", (red) => asNs(red.p50), { color: "c5", fill: false }), lineOf("p90", (red) => asNs(red.p90), { color: "c0", fill: false }), lineOf("p99", (red) => asNs(red.p99), { color: "c1", fill: false })]} times={times} format={duration} loading={whole.loading} />
        <Chart unhatched since={since} title="Where the time goes" unit="mean of a request" stacked lines={PHASES.map((phase) => ({ ...lineOf(PHASE_NAMES[phase], (red) => asNs(red.phases[phase]) ?? 0), color: phase })).filter((line) => line.values.some((value) => value))} times={times} format={duration} loading={whole.loading} />
      </div>
      <Section title="Latency" note="darker where more requests lie; a click or a drag shows them">
        {heat.error ? <p class="faint">{heat.error.message}</p> : heat.data?.series.length ? <Heat grid={heat.data} step={step} since={since} choose={pickCell} /> : heat.data ? <div class="chart-empty" style={{ height: 120 }}>nothing in this range</div> : <Skeleton lines={4} />}
      </Section>
      <Section title="Operations" note={<PhaseKey />}>
        {operations.data ? <Table label="operations" columns={OPERATIONS} rows={operations.data} id={(red) => `${red.labels.protocol} ${red.labels.operation} ${red.labels.resource}`} sort="-rate" orderKey={key} limit={25}
          choose={(red) => go({ view: "requests", filter: requestsOf(condition("operation", "=", red.labels.operation ?? ""), red.labels.resource ? condition("resource", "=", red.labels.resource) : "") })} /> : <Skeleton />}
      </Section>
      <div class="columns">
        <Section title="Who asks it">{callers.data?.length ? <Table label="callers" columns={peerColumns("service")} rows={peersOf(callers.data, nameOf)} id={(peer) => `${peer.name} ${peer.protocol}`} sort="-rate" limit={12} choose={(peer) => go({ view: "service", name: peer.name })} /> : callers.data ? <p class="faint">Nobody on this machine.</p> : <Skeleton lines={3} />}</Section>
        <Section title="Whom it asks">{callees.data?.length ? <Table label="callees" columns={peerColumns("service")} rows={peersOf(callees.data, (labels) => labels.remote_name ?? labels.remote_addr ?? "-")} id={(peer) => `${peer.name} ${peer.protocol} ${peer.red.labels.remote_addr ?? ""}`} sort="-rate" limit={12} choose={(peer) => go({ view: "service", name: peer.name })} /> : callees.data ? <p class="faint">Nobody, by the protocols that are understood.</p> : <Skeleton lines={3} />}</Section>
      </div>
      <div class="columns">
        <Section title="Processes" link={{ text: "all processes", to: addressOf({ view: "processes" }) }}>{processes.data?.length ? <Table label="processes" columns={PROCESSES} rows={processes.data} id={(row) => `${row.name} ${row.container}`} sort="-cpu" limit={12} choose={(row) => go({ view: "processes", open: `${row.name}\u0001${row.container}` })} /> : processes.data ? <p class="faint">None is known by this name now.</p> : <Skeleton lines={3} />}</Section>
        <Section title="Connections by state" link={{ text: "all connections", to: addressOf({ view: "connections", filter: condition("process", "=", name) }) }}><States samples={connections.data} /></Section>
      </div>
    </>}
  </div>;
}


function States({ samples }: { samples?: Sample[] }) {
  if (!samples) return <Skeleton lines={3} />;
  const rows = samples.filter((one) => one.value > 0).sort((a, b) => b.value - a.value);
  if (!rows.length) return <p class="faint">No TCP connection now.</p>;
  const most = Math.max(...rows.map((one) => one.value));
  return <div class="bars">{rows.map((one) => [<span key={`${one.labels.state}${one.labels.direction}`}>{one.labels.state} <span class="faint">{one.labels.direction}</span></span>, <i key={`${one.labels.state}${one.labels.direction}i`} style={{ width: `${one.value / most * 100}%` }} />, <span key={`${one.labels.state}${one.labels.direction}v`} class="num">{count(one.value)}</span>])}</div>;
}
