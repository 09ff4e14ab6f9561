// SPDX-License-Identifier: GPL-2.0-only
// map - who asks whom: services as boxes, calls as arrows, from those that only ask on the left to those that only answer on the
// right. Colour means trouble: errors, or slowness against the time before.
import dagre from "@dagrejs/dagre";
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { rangeKey, useAsk, window } from "./api";
import { condition } from "./filter";
import { Failed, Figure, Glyph, Name, NotAsked, Pane, PhaseBar, PhaseKey, Since, Skeleton, State, toService } from "./parts";
import { addressOf, compareSeconds, go, place } from "./place";
import { and, filterForFigures, nameOf, type Red, redBy, WHO } from "./red";
import { count, duration, percent, shown } from "./units";

interface Node { id: string; kind: "service" | "outside"; rate: number; errors: number; p99?: number; asks: number; members: Set<string>; }
interface Edge { id: string; from: string; to: string; protocols: Set<string>; rate: number; errors: number; p50?: number; p99?: number; phases: Red["phases"]; slower?: number; }
interface Graph { nodes: Map<string, Node>; edges: Map<string, Edge>; }
type Grouping = "service" | "namespace" | "pod";
const OUTSIDE = "outside callers", UNKNOWN = "not known", WIDTH = 164, HEIGHT = 46, READABLE = 0.62;

const add = (graph: Graph, id: string, kind: Node["kind"]) => {
  let node = graph.nodes.get(id);
  if (!node) graph.nodes.set(id, node = { id, kind, rate: 0, errors: 0, asks: 0, members: new Set() });
  return node;
};

/** Client records make edges; what servers answered beyond them came from outside. */
function graphOf(clients: Red[], servers: Red[], before: Red[], group: Grouping): Graph {
  const graph: Graph = { nodes: new Map(), edges: new Map() };
  const own = (labels: Record<string, string>) => (group !== "service" && labels[group]) || nameOf(labels);
  const names = new Map<string, string>(); /* a service's name -> the node it belongs to */
  for (const red of [...servers, ...clients]) names.set(nameOf(red.labels), own(red.labels));
  for (const red of servers) {
    const node = add(graph, own(red.labels), "service");
    node.rate += red.rate;
    node.errors += red.errors;
    node.p99 = Math.max(node.p99 ?? 0, red.p99 ?? 0) || undefined;
    node.members.add(nameOf(red.labels));
  }
  const known = new Map<string, number>();
  const edge = (from: string, to: string, red: Red) => {
    const id = `${from}\u0001${to}`;
    let one = graph.edges.get(id);
    if (!one) graph.edges.set(id, one = { id, from, to, protocols: new Set(), rate: 0, errors: 0, phases: red.phases });
    one.rate += red.rate;
    one.errors += red.errors;
    if (red.labels.protocol) one.protocols.add(red.labels.protocol);
    one.p50 = Math.max(one.p50 ?? 0, red.p50 ?? 0) || undefined;
    one.p99 = Math.max(one.p99 ?? 0, red.p99 ?? 0) || undefined;
    return one;
  };
  const past = new Map(before.map((red) => [`${own(red.labels)}\u0001${red.labels.remote_name ?? red.labels.remote_addr}\u0001${red.labels.protocol}`, red]));
  for (const red of clients) {
    const from = own(red.labels), peer = red.labels.remote_name ?? red.labels.remote_addr ?? UNKNOWN;
    const to = names.get(peer) ?? peer;
    const source = add(graph, from, "service");
    source.asks += red.rate;
    source.members.add(nameOf(red.labels));
    const target = add(graph, to, names.has(peer) ? "service" : "outside");
    if (target.kind === "outside") { target.rate += red.rate; target.errors += red.errors; target.p99 = Math.max(target.p99 ?? 0, red.p99 ?? 0) || undefined; }
    known.set(to, (known.get(to) ?? 0) + red.rate);
    if (from === to && group !== "service") continue;
    const one = edge(from, to, red), then = past.get(`${from}\u0001${peer}\u0001${red.labels.protocol}`);
    if (then?.p99 && red.p99) one.slower = Math.max(one.slower ?? 0, red.p99 / then.p99);
  }
  for (const node of [...graph.nodes.values()]) {
    const rest = node.rate - (known.get(node.id) ?? 0);
    if (node.kind === "service" && node.rate > 0 && rest > node.rate * 0.05 && rest > 0.02) {
      add(graph, OUTSIDE, "outside").asks += rest;
      edge(OUTSIDE, node.id, { labels: {}, rate: rest, errors: 0, p99: undefined, phases: {} });
    }
  }
  return graph;
}

const MANY = 24, QUIET = 0.05;
/** A large map without services of which nearly nothing is asked, and how many those are. */
function withoutQuiet(graph: Graph): { graph: Graph; quiet: number } {
  const quiet = new Set([...graph.nodes.values()].filter((node) => node.rate + node.asks < QUIET).map((node) => node.id));
  if (graph.nodes.size <= MANY || !quiet.size) return { graph, quiet: 0 };
  const edges = new Map([...graph.edges].filter(([, edge]) => !quiet.has(edge.from) && !quiet.has(edge.to) && edge.rate >= QUIET / 5));
  return { graph: { nodes: new Map([...graph.nodes].filter(([id]) => !quiet.has(id))), edges }, quiet: quiet.size };
}

interface Spot { x: number; y: number; }
interface Layout { nodes: Map<string, Spot>; edges: Map<string, Spot[]>; width: number; height: number; }

function layoutOf(graph: Graph): Layout {
  const flow = new dagre.graphlib.Graph({ multigraph: false });
  flow.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 130, marginx: 24, marginy: 24, ranker: graph.nodes.size > 150 ? "longest-path" : "network-simplex" });
  flow.setDefaultEdgeLabel(() => ({}));
  for (const id of [...graph.nodes.keys()].sort()) flow.setNode(id, { width: WIDTH, height: HEIGHT });
  for (const one of [...graph.edges.values()].sort((a, b) => a.id < b.id ? -1 : 1)) if (one.from !== one.to) flow.setEdge(one.from, one.to, { weight: 1 });
  dagre.layout(flow);
  const whole = flow.graph() as { width?: number; height?: number };
  return {
    nodes: new Map(flow.nodes().map((id: string) => { const at = flow.node(id) as unknown as Spot; return [id, { x: at.x, y: at.y }]; })),
    edges: new Map(flow.edges().map((one: { v: string; w: string }) => [`${one.v}\u0001${one.w}`, (flow.edge(one) as unknown as { points: Spot[] }).points])),
    width: Math.max(whole.width ?? 0, 300), height: Math.max(whole.height ?? 0, 200),
  };
}

/** A smooth line through the bends. */
function lineThrough(points: Spot[]): string {
  const [first, ...rest] = points;
  let path = `M${first!.x},${first!.y}`;
  for (let at = 0; at < rest.length; at++) {
    const a = points[at]!, b = rest[at]!, middle = (a.x + b.x) / 2;
    path += `C${middle},${a.y} ${middle},${b.y} ${b.x},${b.y}`;
  }
  return path;
}

const levelOf = (rate: number, errors: number, slower?: number) => rate > 0 && errors / rate >= 0.05 ? "bad" : rate > 0 && errors / rate >= 0.01 || (slower ?? 0) >= 3 ? "warn" : "";

export function MapView() {
  const { from, to } = window(), filtered = filterForFigures(), back = compareSeconds.value, group = (place.value.more.group ?? "service") as Grouping;
  const extra = group === "service" ? [] : [group], by = [...WHO, ...extra, "remote_name", "remote_addr", "protocol"], key = `${rangeKey()} ${filtered.text} ${group}`;
  const asked = useAsk(`map ${key} ${back}`, async (stop) => {
    const [clients, servers, before] = await Promise.all([
      redBy(by, and("side = client", filtered.text), from, to, stop), redBy([...WHO, ...extra, "protocol"], and("side = server", filtered.text), from, to, stop),
      back ? redBy(by, and("side = client", filtered.text), from - back * 1000, to - back * 1000, stop) : Promise.resolve([])]);
    return graphOf(clients, servers, before, group);
  });
  const all = place.value.more.quiet === "shown";
  const drawn = asked.data && !all ? withoutQuiet(asked.data) : asked.data ? { graph: asked.data, quiet: 0 } : undefined;
  const shape = drawn ? [...drawn.graph.nodes.keys(), ...drawn.graph.edges.keys()].sort().join("\u0002") : "";
  const layout = useMemo(() => drawn ? layoutOf(drawn.graph) : undefined, [shape]); /* stands still while only numbers change */
  const open = place.value.open;
  return <>
    <div class="view full">
      <div class="table-tools">
        <div class="chips" role="group" aria-label="group">{(["service", "pod", "namespace"] as Grouping[]).map((one) => <button key={one} type="button" aria-pressed={group === one} onClick={() => go({ more: one === "service" ? {} : { group: one }, open: "" })}>by {one}</button>)}</div>
        <span class="dim">{drawn ? `${drawn.graph.nodes.size} services, ${drawn.graph.edges.size} ways between them` : ""}</span>
        {drawn && (drawn.quiet > 0 || all) && <button type="button" class="control plain" onClick={() => go({ more: { ...place.value.more, quiet: all ? "" : "shown" }, open: "" })}>{all ? "hide quiet ones" : `${drawn.quiet} quiet ones are not drawn: show`}</button>}<span class="space" />
        <span class="phase-key wide-only"><span><i style={{ background: "var(--warn)" }} />1 % errors, or 3 times slower</span><span><i style={{ background: "var(--bad)" }} />5 % errors</span></span>
      </div>
      <NotAsked left={filtered.left} of="the map" />
      {asked.error && !asked.data ? <Failed error={asked.error} /> : !drawn || !layout ? <Skeleton lines={10} />
        : drawn.graph.nodes.size === 0 ? <State title={place.value.filter ? "No service matches." : "No requests in this range."}><p>Services appear as soon as one asks another.</p><Since table="requests" /></State>
        : <Drawing graph={drawn.graph} layout={layout} open={open} />}
    </div>
    {open && asked.data && <Detail graph={asked.data} open={open} />}
  </>;
}

function Drawing({ graph, layout, open }: { graph: Graph; layout: Layout; open: string }) {
  const svg = useRef<SVGSVGElement>(null), hover = useSignal(""), view = useSignal<{ x: number; y: number; scale: number } | null>(null);
  const size = useSignal({ width: 1000, height: 600 }), drag = useRef<{ x: number; y: number; moved: boolean } | null>(null), isDragged = useSignal(false);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => { size.value = { width: entry!.contentRect.width, height: entry!.contentRect.height }; });
    watch.observe(svg.current!.parentElement!);
    return () => watch.disconnect();
  }, []);
  const placed = (least: number) => {
    const scale = Math.max(Math.min(size.value.width / layout.width, size.value.height / layout.height, 1.15), least);
    return { scale, x: Math.max((size.value.width - layout.width * scale) / 2, 8), y: Math.max((size.value.height - layout.height * scale) / 2, 8) };
  };
  useEffect(() => { view.value = null; }, [layout]);
  const now = view.value ?? placed(READABLE);
  const zoomBy = (by: number, cx = size.value.width / 2, cy = size.value.height / 2) => {
    const scale = Math.min(3, Math.max(0.1, now.scale * by));
    view.value = { scale, x: cx - (cx - now.x) * scale / now.scale, y: cy - (cy - now.y) * scale / now.scale };
  };
  const near = useMemo(() => {
    if (!hover.value) return null;
    const found = new Set<string>([hover.value]);
    const walk = (id: string, forward: boolean) => { for (const edge of graph.edges.values()) { const [a, b] = forward ? [edge.from, edge.to] : [edge.to, edge.from]; if (a === id && !found.has(edge.id)) { found.add(edge.id); found.add(b); walk(b, forward); } } };
    const edge = graph.edges.get(hover.value);
    if (edge) { found.add(edge.from); found.add(edge.to); walk(edge.from, false); walk(edge.to, true); } else { walk(hover.value, true); walk(hover.value, false); }
    return found;
  }, [hover.value, graph]);
  const pale = (id: string) => near && !near.has(id) ? " pale" : "";
  const most = Math.max(...[...graph.edges.values()].map((edge) => edge.rate), 1e-9);
  const choose = (id: string) => { if (!drag.current?.moved) go({ open: open === id ? "" : id }, !!open); };
  const onKey = (id: string) => (event: KeyboardEvent) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(id); } };
  return <div class="map" onWheel={(event) => { event.preventDefault(); const rect = svg.current!.getBoundingClientRect(); zoomBy(event.deltaY < 0 ? 1.12 : 1 / 1.12, event.clientX - rect.left, event.clientY - rect.top); }}>
    <svg ref={svg} class={isDragged.value ? "dragged" : ""} role="group" aria-label="service map"
      onPointerDown={(event) => { drag.current = { x: event.clientX, y: event.clientY, moved: false }; }}
      onPointerMove={(event) => {
        const begin = drag.current;
        if (!begin || !event.buttons) return;
        const dx = event.clientX - begin.x, dy = event.clientY - begin.y;
        if (!begin.moved && Math.hypot(dx, dy) < 4) return;
        isDragged.value = true;
        view.value = { ...now, x: now.x + dx, y: now.y + dy };
        drag.current = { x: event.clientX, y: event.clientY, moved: true };
      }}
      onPointerUp={() => { isDragged.value = false; setTimeout(() => { drag.current = null; }); }}>
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0,0L8,4L0,8z" fill="var(--ink-3)" /></marker></defs>
      <g transform={`translate(${now.x},${now.y}) scale(${now.scale})`}>
        {[...graph.edges.values()].map((edge) => {
          const points = layout.edges.get(edge.id), level = levelOf(edge.rate, edge.errors, edge.slower);
          const middle = points?.[Math.floor(points.length / 2)];
          const text = `${count(edge.rate)}/s${edge.p99 ? ` · ${duration(edge.p99 * 1e9)}` : ""}`;
          const says = `${edge.from} asks ${edge.to}: ${[...edge.protocols].join(", ")} ${text}, ${percent(edge.errors / edge.rate)} errors`;
          return points && middle && <g key={edge.id} class={`edge ${level}${pale(edge.id)}`} tabIndex={0} role="button" aria-label={shown(says)} onClick={() => choose(edge.id)} onKeyDown={onKey(edge.id)} onPointerEnter={() => { hover.value = edge.id; }} onPointerLeave={() => { hover.value = ""; }}>
            <title>{shown(says)}</title><path d={lineThrough(points)} stroke-opacity="0" stroke-width="14" pointer-events="stroke" /><path d={lineThrough(points)} stroke-width={open === edge.id ? 4 : 1 + 3 * Math.sqrt(edge.rate / most)} marker-end="url(#arrow)" />
            <text x={middle.x} y={middle.y - 5}>{text}</text></g>;
        })}
        {[...graph.nodes.values()].map((node) => {
          const at = layout.nodes.get(node.id), level = levelOf(node.rate, node.errors);
          const says = node.rate ? `${count(node.rate)}/s${node.errors / node.rate >= 0.001 ? `, ${percent(node.errors / node.rate)} errors` : ""}` : `asks ${count(node.asks)}/s`;
          const name = shown(node.id), short = name.length > 20 ? `${name.slice(0, 19)}…` : name;
          return at && <g key={node.id} class={`node ${node.kind} ${level}${open === node.id ? " chosen" : ""}${pale(node.id)}`} transform={`translate(${at.x - WIDTH / 2},${at.y - HEIGHT / 2})`} tabIndex={0} role="button" aria-label={`${short} ${says}`} onClick={() => choose(node.id)} onKeyDown={onKey(node.id)} onPointerEnter={() => { hover.value = node.id; }} onPointerLeave={() => { hover.value = ""; }}>
            <rect width={WIDTH} height={HEIGHT} rx="4" />
            <text class="name" x="12" y="19">{short}</text><text class="sub" x="12" y="36">{says}</text></g>;
        })}
      </g>
    </svg>
    <div class="map-tools"><button type="button" class="control" aria-label="closer" onClick={() => zoomBy(1.3)}>+</button><button type="button" class="control" aria-label="further" onClick={() => zoomBy(1 / 1.3)}>−</button><button type="button" class="control" onClick={() => { view.value = placed(0.1); }}>fit</button></div>
  </div>;
}

function Detail({ graph, open }: { graph: Graph; open: string }) {
  const node = graph.nodes.get(open), edge = graph.edges.get(open);
  const list = (edges: Edge[], other: (one: Edge) => string) => edges.sort((a, b) => b.rate - a.rate).map((one) => <li key={one.id} style={{ display: "flex", gap: 8, fontSize: 12 }}>
    <a href={addressOf({ open: one.id })} class="cut" style={{ flex: 1 }}>{[...one.protocols].map((protocol) => <Glyph key={protocol} protocol={protocol} />)}<Name text={other(one)} cut={60} /></a><span class="num" style={{ width: 74 }}>{count(one.rate)}/s</span><span class={`num ${one.errors / one.rate >= 0.01 ? "bad" : "faint"}`} style={{ width: 58 }}>{one.errors ? percent(one.errors / one.rate) : "0"}</span><span class="num" style={{ width: 70 }}>{duration(one.p99 && one.p99 * 1e9)}</span></li>);
  if (edge) {
    const members = graph.nodes.get(edge.from)?.members ?? new Set([edge.from]);
    const filter = [members.size === 1 ? condition("process", "=", [...members][0]!) : "", condition("remote_name", "=", edge.to), "side = client"].filter(Boolean).join(" and ");
    return <Pane title={<><Name text={edge.from} cut={40} /> <span class="dim">asks</span> <Name text={edge.to} cut={40} /></>}>
      <div class="figures"><Figure what="requests" value={`${count(edge.rate)}/s`} /><Figure what="errors" value={percent(edge.errors / edge.rate)} bad={edge.errors / edge.rate >= 0.01} /><Figure what="p50" value={duration(edge.p50 && edge.p50 * 1e9)} /><Figure what="p99" value={duration(edge.p99 && edge.p99 * 1e9)} /></div>
      <section aria-label="phases"><div class="section-head"><h3>Where the time goes</h3></div><PhaseBar phases={Object.fromEntries(Object.entries(edge.phases).map(([phase, value]) => [phase, value! * 1e9]))} /><div style={{ marginTop: 6 }}><PhaseKey /></div></section>
      <p>{[...edge.protocols].map((protocol) => <span key={protocol} class="tag">{protocol}</span>)}</p>
      <p class="buttons"><a href={addressOf({ view: "requests", filter, more: {} })}>see requests</a><a href={toService(edge.from)}><Name text={edge.from} cut={40} /></a><a href={toService(edge.to)}><Name text={edge.to} cut={40} /></a></p>
    </Pane>;
  }
  if (!node) return <Pane title="Service"><State title="It is not in the map of this range." /></Pane>;
  const into = [...graph.edges.values()].filter((one) => one.to === node.id), out = [...graph.edges.values()].filter((one) => one.from === node.id);
  return <Pane title={<Name text={node.id} cut={60} />}>
    <div class="figures"><Figure what={node.rate ? "answers" : "asks"} value={`${count(node.rate || node.asks)}/s`} />{node.rate > 0 && <><Figure what="errors" value={percent(node.errors / node.rate)} bad={node.errors / node.rate >= 0.01} /><Figure what="p99" value={duration(node.p99 && node.p99 * 1e9)} /></>}</div>
    {node.kind === "service" && <p class="buttons">{[...node.members].slice(0, 12).map((member) => <a key={member} href={toService(member)}>service <Name text={member} cut={40} /></a>)}</p>}
    {into.length > 0 && <section aria-label="who asks it"><div class="section-head"><h3>Who asks it</h3></div><ul>{list(into, (one) => one.from)}</ul></section>}
    {out.length > 0 && <section aria-label="whom it asks"><div class="section-head"><h3>Whom it asks</h3></div><ul>{list(out, (one) => one.to)}</ul></section>}
  </Pane>;
}
