// SPDX-License-Identifier: GPL-2.0-only
// chart - time series: one cursor through all charts, a drag zooms the whole page, a double click goes back. What was not
// seen (nothing there, before the history begins) is hatched.
import uPlot from "uplot";
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { status, type Grid, type Asked } from "./api";
import { isDark, span, zoom } from "./place";
import { bytes, bytesRate, clock } from "./units";

export interface Line { name: string; values: (number | null)[]; color?: string; dash?: number[]; fill?: boolean; }
interface Props {
  title: string; unit?: string; lines: Line[]; times: number[]; format: (value: number) => string;
  height?: number; log?: boolean; /* decades: for what lies far apart */ unhatched?: boolean; /* nothing there only means that nothing happened */ since?: number; /* ... but before this moment (ms) nothing was seen */ stacked?: boolean; bare?: boolean; most?: number; colors?: string[]; loading?: boolean; error?: string; empty?: string; labels?: boolean;
}

export const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const SERIES = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
const DASHES: (number[] | undefined)[] = [undefined, undefined, undefined, undefined, [6, 3], [6, 3], [2, 3], [2, 3]];
export const LINES_MOST = 8;
const BINARY = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** The greatest lines; what is left is one more, "other". */
export function fewLines(lines: Line[], most = LINES_MOST): Line[] {
  if (lines.length <= most) return lines;
  const sum = (line: Line) => line.values.reduce<number>((total, value) => total + (value ?? 0), 0);
  const sorted = [...lines].sort((a, b) => sum(b) - sum(a));
  const rest = sorted.slice(most - 1);
  const other = rest[0]!.values.map((_, at) => rest.reduce<number | null>((total, line) => line.values[at] === null ? total : (total ?? 0) + line.values[at]!, null));
  return [...sorted.slice(0, most - 1), { name: `${rest.length} others`, values: other, color: "ink-3" }];
}

export function hatch(context: CanvasRenderingContext2D): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d")!;
  pen.strokeStyle = color("line");
  pen.lineWidth = 1;
  pen.beginPath(); pen.moveTo(0, 8); pen.lineTo(8, 0); pen.moveTo(-2, 2); pen.lineTo(2, -2); pen.moveTo(6, 10); pen.lineTo(10, 6); pen.stroke();
  return context.createPattern(tile, "repeat") ?? color("ground-2");
}

/** Fills spans of time with the hatch. */
function drawSpans(plot: uPlot, spans: [number, number][], least = 0) {
  const { left, top, width, height } = plot.bbox, context = plot.ctx;
  context.save();
  context.fillStyle = hatch(context);
  for (const [begin, end] of spans) {
    if (end - begin <= least) continue;
    const x0 = Math.max(plot.valToPos(begin, "x", true), left), x1 = Math.min(plot.valToPos(end, "x", true), left + width);
    if (x1 > x0) context.fillRect(x0, top, x1 - x0, height);
  }
  context.restore();
}

/** Spans in which no line has a value. */
function drawUnseen(plot: uPlot) {
  const times = plot.data[0]!;
  const blank = (at: number) => plot.data.slice(1).every((values) => values![at] === null || values![at] === undefined);
  const spans: [number, number][] = [];
  const least = plot.scales.x!.min!, most = plot.scales.x!.max!;
  let from: number | null = times.length && times[0]! > least ? least : null;
  for (let at = 0; at < times.length; at++) {
    if (blank(at)) { from ??= at ? times[at - 1]! : least; continue; }
    if (from !== null) { spans.push([from, times[at]!]); from = null; }
  }
  const step = times.length > 1 ? times[1]! - times[0]! : 0;
  if (from !== null && most - from > step * 2.5) spans.push([from, most]);
  drawSpans(plot, spans, step * 1.01);
}

/** Names at the right end of the lines, pushed apart where they would meet. */
function drawNames(plot: uPlot, lines: Line[], colors: string[]) {
  const context = plot.ctx, ratio = devicePixelRatio;
  const found = lines.map((line, at) => {
    const values = plot.data[at + 1]!;
    for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null && values[i] !== undefined) return { y: plot.valToPos(values[i]!, "y", true), name: line.name, color: colors[at]! };
    return null;
  }).filter((one) => one !== null).sort((a, b) => a.y - b.y);
  const gap = 13 * ratio, { left, top, width, height } = plot.bbox;
  for (let at = 0; at < found.length; at++) found[at]!.y = Math.max(found[at]!.y, at ? found[at - 1]!.y + gap : top + 6 * ratio);
  for (let at = found.length - 1, low = top + height - 4 * ratio; at >= 0; at--) { found[at]!.y = Math.min(found[at]!.y, low); low = found[at]!.y - gap; }
  context.save();
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const one of found) {
    context.fillStyle = one.color;
    let text = one.name;
    while (text.length > 3 && context.measureText(text).width > 84 * ratio) text = `${text.slice(0, -2)}…`;
    context.fillText(text, left + width + 6 * ratio, one.y);
  }
  context.restore();
}

/** From the decade below to the decade above. */
const decades = (_: uPlot, least: number, most: number): [number, number] => {
  const from = least > 0 ? 10 ** Math.floor(Math.log10(least)) : 1, to = most > 0 ? 10 ** Math.ceil(Math.log10(most)) : 10;
  return [from, to > from ? to : from * 10];
};

/** An empty range says since when there is something. */
function emptyText(): string {
  const since = status.value?.store?.tables.map((table) => Date.parse(table.from ?? "")).filter(Number.isFinite).sort((a, b) => a - b)[0];
  return since && since > span.value.to ? `nothing in this range: the history begins ${clock(since)}` : "nothing in this range";
}

const stack = (lines: Line[]): (number | null)[][] => {
  const sums: (number | null)[][] = [];
  lines.forEach((line, at) => sums.push(line.values.map((value, i) => value === null ? (at ? sums[at - 1]![i]! : null) : value + (at ? sums[at - 1]![i] ?? 0 : 0))));
  return sums;
};

export function Chart(props: Props) {
  const { title, unit, times, format, height = 140, stacked, bare } = props;
  const lines = fewLines(props.lines);
  const box = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), shownLines = useRef(lines);
  const read = useSignal(""), begins = useRef(props.since);
  begins.current = props.since;
  const named = !bare && props.labels !== false && lines.length > 1 && lines.length <= 5 && !stacked;
  const shape = JSON.stringify([lines.map((line) => [line.name, line.color]), height, props.log, stacked, bare, unit, isDark.value, named]);
  const hasData = times.length > 0 && lines.some((line) => line.values.some((value) => value !== null));
  shownLines.current = lines;

  useEffect(() => {
    if (!box.current || !hasData) return;
    const colors = lines.map((line, at) => color(line.color ?? SERIES[at % SERIES.length]!));
    const axis = { stroke: color("ink-3"), font: "11px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: color("line-2"), width: 1 } };
    const width = box.current.clientWidth || 300;
    const options: uPlot.Options = {
      width, height, legend: { show: false }, pxAlign: 1,
      padding: bare ? [2, 0, 2, 0] : [8, named ? 92 : 20, 0, 0],
      cursor: {
        sync: { key: "time" }, drag: { x: true, y: false, setScale: false }, points: { size: 5 }, y: false,
        bind: { dblclick: () => () => { history.back(); return null; } },
      },
      scales: { x: { time: true, range: () => [span.peek().from / 1000, span.peek().to / 1000] }, y: props.log ? { distr: 3, log: 10, range: decades } : { range: (_, __, most) => [0, Math.max(props.most ?? 0, most > 0 ? most * 1.12 : 1)] } },
      axes: bare ? [{ show: false }, { show: false }] : [
        { ...axis, size: 22, space: 70, grid: { show: false }, values: (_, marks) => marks.map((mark) => clock(mark * 1000).slice(0, (marks[1] ?? 0) - (marks[0] ?? 0) < 60 ? undefined : -3)) },
        { ...axis, size: format === bytesRate ? 70 : 58, space: props.log ? 18 : 34, gap: 4, ...(props.log ? { filter: (_: uPlot, marks: number[]) => marks, splits: (_: uPlot, __: number, least: number, most: number) => { const marks = []; for (let mark = least; mark <= most * 1.01; mark *= 10) marks.push(mark); return marks; } } : {}), ...(format === bytes || format === bytesRate ? { incrs: BINARY } : {}), values: (_, marks) => marks.map((mark) => mark === 0 ? "0" : format(mark)) }],
      series: [{}, ...lines.map((line, at): uPlot.Series => ({
        stroke: colors[at], width: stacked ? 0 : 1.5, dash: line.dash ?? (line.color ? undefined : DASHES[at % 8]), points: { show: false }, spanGaps: false,
        fill: stacked ? colors[at] : (line.fill ?? lines.length === 1) ? `color-mix(in srgb, ${colors[at]} 14%, transparent)` : undefined,
      }))],
      bands: stacked ? lines.slice(1).map((_, at) => ({ series: [at + 2, at + 1] as [number, number] })) : undefined,
      hooks: {
        drawClear: [(self) => { if (!props.unhatched) drawUnseen(self); else if (begins.current) drawSpans(self, [[self.scales.x!.min!, begins.current / 1000]]); }],
        draw: named ? [(self) => drawNames(self, shownLines.current, colors)] : [],
        setSelect: [(self) => {
          const { left, width: wide } = self.select;
          if (wide < 4) return;
          const from = self.posToVal(left, "x"), to = self.posToVal(left + wide, "x");
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          zoom(from * 1000, to * 1000);
        }],
        setCursor: [(self) => {
          const at = self.cursor.idx;
          if (at === null || at === undefined || self.cursor.left! < 0) { read.value = ""; return; }
          const parts = shownLines.current.map((line) => line.values[at] === null || line.values[at] === undefined ? null : `${shownLines.current.length > 1 ? `${line.name} ` : ""}${format(line.values[at]!)}`);
          read.value = `${clock(self.data[0]![at]! * 1000)}  ${parts.filter(Boolean).join("  ·  ") || (props.unhatched ? "none" : "not seen")}`;
        }],
      },
    };
    const made = new uPlot(options, [times, ...(stacked ? stack(lines) : lines.map((line) => line.values))] as uPlot.AlignedData, box.current);
    plot.current = made;
    const watch = new ResizeObserver(() => { const wide = box.current?.clientWidth; if (wide && wide !== made.width) made.setSize({ width: wide, height }); });
    watch.observe(box.current);
    return () => { watch.disconnect(); made.destroy(); plot.current = null; };
  }, [shape, hasData]);

  useEffect(() => {
    plot.current?.setData([times, ...(stacked ? stack(lines) : lines.map((line) => line.values))] as uPlot.AlignedData);
  }, [props.lines, times]);

  const says = hasData ? `${title}${unit ? ` in ${unit}` : ""}: ${lines.slice(0, 5).map((line) => { const last = line.values.findLast((value) => value !== null); return `${line.name} ${last === undefined || last === null ? "not seen" : format(last)}`; }).join(", ")}` : title;
  return <div class="chart">
    {!bare && <div class="chart-head"><h3>{title}</h3>{unit && <span class="unit">{unit}</span>}<span class="read">{read.value}</span></div>}
    {hasData ? <div class="chart-canvas" ref={box} role="img" aria-label={says} style={{ height }} />
      : <div class={`chart-empty${props.loading && !props.error ? " waits" : ""}`} style={{ height }}>{props.error ? <span class="bad">{props.error}</span> : props.loading ? "" : props.empty ?? (bare ? "nothing in this range" : emptyText())}</div>}
    {!bare && hasData && !named && lines.length > 1 && <div class="keys">{lines.map((line, at) => <span key={line.name}><i style={{ borderTopColor: `var(--${line.color ?? SERIES[at % SERIES.length]})`, borderTopWidth: stacked ? "8px" : "2px", borderTopStyle: line.dash || (!line.color && DASHES[at % 8]) ? "dashed" : "solid" }} /><bdi>{line.name}</bdi></span>)}</div>}
  </div>;
}

/** A chart of a question's answer: a line for each series, called by `name`. */
export function GridChart({ asked, name, scale = 1, ...rest }: Omit<Props, "lines" | "times"> & { asked: Asked<Grid>; name: (labels: Record<string, string>) => string; scale?: number }) {
  const grid = asked.data;
  const lines = (grid?.series ?? []).map((one): Line => ({ name: name(one.labels), values: scale === 1 ? one.values : one.values.map((value) => value === null ? null : value * scale) }));
  return <Chart {...rest} lines={lines} times={grid?.times ?? []} loading={asked.loading} error={asked.error?.message} />;
}
