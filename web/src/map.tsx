// SPDX-License-Identifier: GPL-2.0-only
// map - who asks whom: services as boxes, calls as arrows, from those that only ask on the left to those that only answer on the
// right. Colour means trouble: errors, or slowness against the time before.
//
// The drawing is one sheet that the browser's compositor moves: moving and zooming change its transform and nothing else, so
// hundreds of boxes stay fluid. What lies along the way of a box is lit by classes, not by drawing anew.
import { memo } from "preact/compat";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { rangeKey, useAsk, window } from "./api";
import { type Box, type Graph, graphOf, type Grouping, GROUPINGS, askMap, levelOf, type Link, type MapEdge, phasesOf, withoutQuiet } from "./graph";
import { HEIGHT, type Layout, layoutOf, WIDTH } from "./layout";
import { Failed, Figure, Glyph, Name, NotAsked, Pane, PhaseBar, PhaseKey, Since, Skeleton, State, toService } from "./parts";
import { addressOf, compareSeconds, go, place } from "./place";
import { filterForFigures } from "./red";
import { bytes, count, duration, percent, shown } from "./units";

const READABLE = 0.7, FAR = 0.5, LETTER = 5.6; /* px of a letter of a label, on average */

const labelOf = (link: Link) => link.rate ? `${count(link.rate)}/s${link.p99 ? ` · ${duration(link.p99)}` : ""}` : link.connections ? `${count(link.connections)} conn.` : "";
const saysOf = (box: Box) => box.rate ? `${count(box.rate)}/s${box.errors / box.rate >= 0.001 ? `, ${percent(box.errors / box.rate)} errors` : box.p99 ? `, p99 ${duration(box.p99)}` : ""}` : box.asks ? `asks ${count(box.asks)}/s` : "connected";
const cut = (text: string, most: number) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
const sharedOf = (errors: number, rate: number) => rate ? errors / rate : undefined;

export function MapView() {
  const { from, to } = window(), seconds = (to - from) / 1000, filtered = filterForFigures(), back = compareSeconds.value;
  const group = GROUPINGS.find((one) => one === place.value.more.group) ?? "service", connected = place.value.more.connected === "shown";
  const key = `${rangeKey()} ${filtered.text} ${group} ${connected}`;
  const asked = useAsk(`map ${key} ${back}`, async (stop) => {
    const [now, before] = await Promise.all([askMap(group, filtered.text, from, to, connected, stop), back ? askMap(group, filtered.text, from - back * 1000, to - back * 1000, false, stop) : undefined]);
    return { now, before, seconds };
  });
  const whole = useMemo(() => asked.data && graphOf(asked.data.now, asked.data.before, asked.data.seconds), [asked.data]);
  const all = place.value.more.quiet === "shown";
  const drawn = useMemo(() => whole && !all ? withoutQuiet(whole) : whole ? { graph: whole, quiet: 0 } : undefined, [whole, all]);
  const shape = drawn ? [...drawn.graph.boxes.keys(), ...drawn.graph.links.keys()].sort().join("\u0002") : "";
  const last = useRef<{ group: Grouping; layout: Layout } | undefined>(undefined);
  const layout = useMemo(() => { /* stands still while only numbers change */
    if (!drawn) return undefined;
    const made = layoutOf([...drawn.graph.boxes.keys()], [...drawn.graph.links.values()].map((link) => ({ from: link.from, to: link.to, weight: link.rate, text: labelOf(link).length * LETTER })), last.current?.group === group ? last.current.layout : undefined);
    last.current = { group, layout: made };
    return made;
  }, [shape, !drawn]);
  const open = place.value.open, turn = (more: Record<string, string>) => go({ more: { ...place.value.more, ...more }, open: "" });
  return <>
    <div class="view full">
      <div class="table-tools">
        <div class="chips" role="group" aria-label="group by">{GROUPINGS.map((one) => <button key={one} type="button" aria-pressed={group === one} onClick={() => turn({ group: one === "service" ? "" : one })}>{one === "service" ? "services" : `by ${one}`}</button>)}</div>
        <span class="dim">{drawn ? `${drawn.graph.boxes.size} shown` : ""}</span>
        {drawn && (drawn.quiet > 0 || all) && <button type="button" class="control plain dim" onClick={() => turn({ quiet: all ? "" : "shown" })}>{all ? "hide quiet ones" : `${drawn.quiet} quiet: show`}</button>}
        <button type="button" class="control plain dim" aria-pressed={connected} title="also who is only connected: no protocol was read between them" onClick={() => turn({ connected: connected ? "" : "shown" })}>bare connections</button>
        <span class="space" />
        <span class="phase-key wide-only"><span><i style={{ background: "var(--warn)" }} />1 % errors, or p99 tripled</span><span><i style={{ background: "var(--bad)" }} />5 % errors</span></span>
      </div>
      <NotAsked left={filtered.left} of="the map" />
      {asked.data?.now.partial && <p class="filter-note">Not everything could be looked at: {asked.data.now.partial}.</p>}
      {asked.error && !asked.data ? <Failed error={asked.error} /> : !drawn || !layout ? <Skeleton lines={10} />
        : drawn.graph.boxes.size === 0 ? <State title={place.value.filter ? "Nothing matches." : "No requests in this range."}><p>Services appear as soon as one asks another.</p><Since table="requests" /></State>
        : <Drawing graph={drawn.graph} layout={layout} open={open} />}
    </div>
    {open && whole && <Detail graph={whole} open={open} seconds={asked.data!.seconds} />}
  </>;
}

/** What is drawn; anew only when there are other numbers. */
const Sheet = memo(function Sheet({ graph, layout, open }: { graph: Graph; layout: Layout; open: string }) {
  const most = Math.max(...[...graph.links.values()].map((link) => link.rate), 1e-9);
  const busiest = Math.max(...[...graph.boxes.values()].map((box) => box.rate), 1e-9);
  return <svg width={layout.width} height={layout.height} viewBox={`0 0 ${layout.width} ${layout.height}`} role="group" aria-label="service map">
    <defs>{["", "warn", "bad"].map((level) => <marker key={level} id={`arrow${level}`} class={level} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0.5L8,4L0,7.5z" /></marker>)}</defs>
    {[...graph.links.values()].sort((a, b) => levelOf(a.rate, a.errors, a.slower).length - levelOf(b.rate, b.errors, b.slower).length).map((link) => {
      const route = layout.routes.get(link.id), level = levelOf(link.rate, link.errors, link.slower), text = labelOf(link);
      const protocols = [...new Set(link.parts.map((part) => part.protocol ?? "").filter(Boolean))].join(", ");
      const says = `${link.from} asks ${link.to}: ${protocols} ${text}${link.p50 ? `, p50 ${duration(link.p50)}` : ""}, ${percent(sharedOf(link.errors, link.rate))} errors`;
      return route && <g key={link.id} data-id={link.id} class={`edge ${level}${link.rate ? "" : " bare"}${open === link.id ? " chosen" : ""}`} tabIndex={0} role="button" aria-label={shown(says)}>
        <title>{shown(says)}</title><path class="reach" d={route.path} /><path d={route.path} stroke-width={1 + 2.5 * Math.sqrt(link.rate / most)} marker-end={`url(#arrow${level})`} /></g>;
    })}
    {[...graph.links.values()].map((link) => { /* above all ways */
      const at = layout.routes.get(link.id)?.label, text = labelOf(link), wide = text.length * LETTER + 4;
      return at && text && <g key={link.id} data-id={link.id} class={`label${open === link.id ? " chosen" : ""}`} aria-hidden="true"><rect x={at.x - wide / 2} y={at.y - 7} width={wide} height="14" rx="2" /><text x={at.x} y={at.y + 3.5}>{text}</text></g>;
    })}
    {[...graph.boxes.values()].map((box) => {
      const at = layout.nodes.get(box.id), name = shown(box.id), says = saysOf(box);
      return at && <g key={box.id} data-id={box.id} class={`node ${box.isOutside ? "outside" : ""} ${levelOf(box.rate, box.errors)}${open === box.id ? " chosen" : ""}`} transform={`translate(${at.x - WIDTH / 2},${at.y - HEIGHT / 2})`} tabIndex={0} role="button" aria-label={`${cut(name, 20)} ${cut(says, 25)}`}><title>{`${name}: ${says}`}</title>
        <rect width={WIDTH} height={HEIGHT} rx="4" />{box.rate > 0 && <rect class="size" x="2" y={HEIGHT - 5} width={Math.max(2, (WIDTH - 4) * Math.sqrt(box.rate / busiest))} height="3" rx="1.5" />}<text class="name" x="12" y="19">{cut(name, 20)}</text> <text class="sub" x="12" y="36">{cut(says, 25)}</text></g>;
    })}
    {[...graph.boxes.keys()].map((id) => { /* read from afar */
      const at = layout.nodes.get(id);
      return at && <text key={id} data-id={id} class="large" aria-hidden="true" x={at.x - WIDTH / 2 + 10} y={at.y + 8}>{cut(shown(id), 11)}</text>;
    })}
  </svg>;
});

interface Eye { x: number; y: number; scale: number; }

/** All that lies before and behind `id`. */
function alongOf(graph: Graph, id: string): Set<string> {
  const found = new Set<string>([id]), links = [...graph.links.values()];
  const walk = (from: string, forward: boolean) => {
    for (const link of links) {
      const [a, b] = forward ? [link.from, link.to] : [link.to, link.from];
      if (a === from && !found.has(link.id)) { found.add(link.id); if (!found.has(b)) { found.add(b); walk(b, forward); } }
    }
  };
  const link = graph.links.get(id);
  if (link) { found.add(link.from); found.add(link.to); walk(link.from, false); walk(link.to, true); } else { walk(id, true); walk(id, false); }
  return found;
}

function Drawing({ graph, layout, open }: { graph: Graph; layout: Layout; open: string }) {
  const box = useRef<HTMLDivElement>(null), sheet = useRef<HTMLDivElement>(null);
  const eye = useRef<Eye | null>(null), own = useRef(false), drag = useRef<{ x: number; y: number; moved: boolean } | null>(null), frame = useRef(0), rests = useRef<ReturnType<typeof setTimeout>>(undefined);
  const fitting = (least: number): Eye => {
    const width = box.current?.clientWidth ?? 1000, height = box.current?.clientHeight ?? 600;
    const scale = Math.max(Math.min(width / layout.width, height / layout.height, 1.15), least);
    return { scale, x: Math.max((width - layout.width * scale) / 2, 4), y: Math.max((height - layout.height * scale) / 2, 4) };
  };
  const show = () => {
    frame.current = 0;
    if (!sheet.current || !eye.current) return;
    const { x, y, scale } = eye.current;
    sheet.current.style.transform = `translate(${x}px,${y}px) scale(${scale})`;
    sheet.current.classList.toggle("far", scale < FAR);
  };
  const look = (to: Eye, moves = false) => {
    eye.current = to;
    if (moves) { /* the compositor moves what is drawn already; at rest it is drawn sharp again */
      sheet.current?.classList.add("moves");
      clearTimeout(rests.current);
      rests.current = setTimeout(() => sheet.current?.classList.remove("moves"), 160);
    }
    if (!frame.current) frame.current = requestAnimationFrame(show);
  };
  const zoomBy = (by: number, cx = (box.current?.clientWidth ?? 0) / 2, cy = (box.current?.clientHeight ?? 0) / 2) => {
    const now = eye.current ?? fitting(READABLE), scale = Math.min(3, Math.max(0.08, now.scale * by));
    own.current = true;
    look({ scale, x: cx - (cx - now.x) * scale / now.scale, y: cy - (cy - now.y) * scale / now.scale }, true);
  };
  useEffect(() => { own.current = false; look(fitting(READABLE)); }, [layout.width, layout.height]);
  useEffect(() => {
    const watch = new ResizeObserver(() => { if (!own.current) look(fitting(READABLE)); });
    watch.observe(box.current!);
    return () => { watch.disconnect(); cancelAnimationFrame(frame.current); clearTimeout(rests.current); };
  }, [layout]);
  useEffect(() => { /* not passive: the page must not scroll */
    const element = box.current!;
    const wheel = (event: WheelEvent) => { event.preventDefault(); const rect = element.getBoundingClientRect(); zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - rect.left, event.clientY - rect.top); };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [layout]);

  useEffect(() => { /* what is open is on the screen */
    const link = graph.links.get(open), spots = (link ? [link.from, link.to] : [open]).map((id) => layout.nodes.get(id)).filter((spot) => spot !== undefined);
    const now = eye.current, width = box.current?.clientWidth ?? 0, height = box.current?.clientHeight ?? 0;
    if (!spots.length || !now) return;
    const x = spots.reduce((sum, spot) => sum + spot.x, 0) / spots.length * now.scale + now.x, y = spots.reduce((sum, spot) => sum + spot.y, 0) / spots.length * now.scale + now.y;
    const shift = (at: number, most: number) => at < 60 ? 60 - at : at > most - 60 ? most - 60 - at : 0, dx = shift(x, width), dy = shift(y, height);
    if (!dx && !dy) return;
    own.current = true;
    look({ ...now, x: now.x + dx, y: now.y + dy }, true);
  }, [open]);

  const idAt = (target: EventTarget | null) => (target as Element | null)?.closest?.("[data-id]")?.getAttribute("data-id") ?? "";
  const light = (id: string) => {
    const all = sheet.current?.querySelectorAll("[data-id]");
    const along = id ? alongOf(graph, id) : null;
    sheet.current?.classList.toggle("lit", !!along);
    all?.forEach((one) => one.classList.toggle("along", !!along?.has(one.getAttribute("data-id")!)));
  };
  const choose = (id: string) => { if (id) go({ open: open === id ? "" : id }, !!open); };
  return <div class="map" ref={box}
    onPointerDown={(event) => { if (event.button === 0) drag.current = { x: event.clientX, y: event.clientY, moved: false }; }}
    onPointerMove={(event) => {
      const begin = drag.current;
      if (!begin || !event.buttons) return;
      const dx = event.clientX - begin.x, dy = event.clientY - begin.y, now = eye.current ?? fitting(READABLE);
      if (!begin.moved && Math.hypot(dx, dy) < 4) return;
      own.current = true;
      box.current!.classList.add("dragged");
      look({ ...now, x: now.x + dx, y: now.y + dy }, true);
      drag.current = { x: event.clientX, y: event.clientY, moved: true };
    }}
    onPointerUp={(event) => { const moved = drag.current?.moved; drag.current = null; box.current!.classList.remove("dragged"); if (!moved) choose(idAt(event.target)); }}
    onPointerOver={(event) => { if (!drag.current && event.pointerType === "mouse") light(idAt(event.target)); }} onPointerLeave={() => { drag.current = null; light(""); }}
    onFocusIn={(event) => light(idAt(event.target))} onFocusOut={() => light("")}
    onKeyDown={(event) => { const id = idAt(event.target); if (id && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); choose(id); } }}>
    <div class="sheet" ref={sheet}><Sheet graph={graph} layout={layout} open={open} /></div>
    <div class="map-tools" onPointerUp={(event) => event.stopPropagation()}><button type="button" class="control" aria-label="closer" title="closer" onClick={() => zoomBy(1.3)}>+</button><button type="button" class="control" aria-label="further" title="further" onClick={() => zoomBy(1 / 1.3)}>−</button><button type="button" class="control" title="all of it" onClick={() => { own.current = true; look(fitting(0.08), true); }}>fit</button></div>
  </div>;
}

function Ways({ title, links, other }: { title: string; links: Link[]; other: (link: Link) => string }) {
  if (!links.length) return null;
  return <section aria-label={title}><div class="section-head"><h3>{title}</h3></div><ul class="ways">{[...links].sort((a, b) => b.rate - a.rate).map((link) => <li key={link.id}>
    <a href={addressOf({ open: link.id })} class="cut">{link.parts.map((part) => <Glyph key={part.protocol ?? "-"} protocol={part.protocol} />)}<Name text={other(link)} cut={60} /></a><span class="num">{link.rate ? `${count(link.rate)}/s` : count(link.connections)}</span>
    <span class={`num ${link.errors / (link.rate || 1) >= 0.01 ? "bad" : "faint"}`}>{link.errors ? percent(link.errors / link.rate) : "0"}</span><span class="num">{duration(link.p99)}</span></li>)}</ul></section>;
}

function Part({ part, seconds }: { part: MapEdge; seconds: number }) {
  const rate = (part.count ?? 0) / seconds;
  return <section aria-label={part.protocol ?? "connections"}><div class="section-head"><h3><Glyph protocol={part.protocol} />{part.protocol ?? "no protocol read"}</h3>{part.filter && <a href={addressOf({ view: part.count === undefined ? "connections" : "requests", filter: part.filter, more: {} })}>{part.count === undefined ? "see connections" : "see requests"}</a>}</div>
    {part.count === undefined ? <div class="figures"><Figure what="connections ended" value={count(part.connections)} /><Figure what="bytes" value={bytes(part.bytes)} /></div> : <>
      <div class="figures"><Figure what="requests" value={`${count(rate)}/s`} /><Figure what="errors" value={percent((part.error_count ?? 0) / (part.count || 1))} bad={(part.error_count ?? 0) / (part.count || 1) >= 0.01} /><Figure what="p50" value={duration(part.p50_ns)} /><Figure what="p99" value={duration(part.p99_ns)} /></div>
      <PhaseBar phases={phasesOf([part])} whole={part.mean_ns} /></>}
  </section>;
}

function Detail({ graph, open, seconds }: { graph: Graph; open: string; seconds: number }) {
  const box = graph.boxes.get(open), link = graph.links.get(open);
  if (link) {
    const outside = !link.parts.length;
    return <Pane title={<><Name text={link.from} cut={40} /> <span class="dim">asks</span> <Name text={link.to} cut={40} /></>}>
      {outside && <><div class="figures"><Figure what="requests" value={`${count(link.rate)}/s`} /></div><p class="dim">What {shown(link.to)} answered beyond what anybody on this machine was seen to ask.</p></>}
      {link.slower && link.slower >= 1.5 ? <p class="warn">p99 is {count(Number(link.slower.toPrecision(2)))} times that of the time before.</p> : null}
      {link.parts.map((part) => <Part key={part.protocol ?? "-"} part={part} seconds={seconds} />)}
      {link.parts.some((part) => part.count !== undefined) && <PhaseKey />}
      <p class="buttons">{[link.from, link.to].filter((id) => graph.boxes.get(id)?.isOutside === false).map((id) => <a key={id} href={toService(id)}>service <Name text={id} cut={40} /></a>)}</p>
    </Pane>;
  }
  if (!box) return <Pane title="Service"><State title="It is not in the map of this range." /></Pane>;
  const links = [...graph.links.values()], isService = !box.isOutside && ["service", "container", "process"].includes(box.kind);
  return <Pane title={<Name text={box.id} cut={60} />}>
    <div class="figures"><Figure what={box.rate ? "answers" : "asks"} value={`${count(box.rate || box.asks)}/s`} />{box.rate > 0 && <><Figure what="errors" value={percent(box.errors / box.rate)} bad={box.errors / box.rate >= 0.01} /><Figure what="p50" value={duration(box.p50)} /><Figure what="p99" value={duration(box.p99)} /></>}</div>
    <p class="buttons"><span class="tag">{box.kind}</span>{box.node?.namespace && <span class="tag">{shown(box.node.namespace)}</span>}{isService && <a href={toService(box.id)}>see service</a>}{box.node?.filter && <a href={addressOf({ view: "requests", filter: box.node.filter, more: {} })}>see requests</a>}</p>
    <Ways title="Who asks it" links={links.filter((one) => one.to === box.id)} other={(one) => one.from} />
    <Ways title="Whom it asks" links={links.filter((one) => one.from === box.id)} other={(one) => one.to} />
  </Pane>;
}
