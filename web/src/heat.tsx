// SPDX-License-Identifier: GPL-2.0-only
// heat - latency over time: a column for each step, a row for each power of two, darker where more requests lie. A click or a
// drag asks for the requests in it.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Grid } from "./api";
import { color, hatch } from "./chart";
import { isDark, span } from "./place";
import { clock, count, seconds } from "./units";

interface Props { grid: Grid; step: number; since?: number; /* before this moment (ms) nothing was seen */ choose: (fromMs: number, toMs: number, leastNs: number, mostNs: number) => void; height?: number; }
const LEFT = 58, BOTTOM = 20;

/** Cumulative buckets become counts: rows of bounds (seconds, ascending), each with a count for each step. */
export function cellsOf(grid: Grid): { bounds: number[]; rows: number[][] } {
  const sorted = grid.series.map((one) => ({ le: one.labels.le === "+Inf" ? Infinity : Number(one.labels.le), values: one.values })).sort((a, b) => a.le - b.le);
  let rows = sorted.map((one, at) => one.values.map((value, i) => Math.max(0, (value ?? 0) - (at ? sorted[at - 1]!.values[i] ?? 0 : 0))));
  let bounds = sorted.map((one) => one.le);
  const filled = rows.map((row) => row.some((value) => value > 0.01));
  const first = filled.indexOf(true), last = filled.lastIndexOf(true);
  if (first < 0) return { bounds: [], rows: [] };
  rows = rows.slice(first, last + 1);
  bounds = bounds.slice(first, last + 1);
  return { bounds, rows };
}

export function Heat({ grid, step, since, choose, height = 180 }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null), width = useSignal(600), tip = useSignal<{ x: number; y: number; text: string } | null>(null);
  const drag = useRef<{ x: number; y: number } | null>(null), box = useSignal<{ x0: number; y0: number; x1: number; y1: number } | null>(null);
  const { bounds, rows } = cellsOf(grid);
  const { from, to } = span.value;
  const wide = width.value - LEFT - 8, tall = height - BOTTOM - 6, rowHeight = rows.length ? tall / rows.length : tall;
  const xOf = (ms: number) => LEFT + (ms - from) / (to - from) * wide;
  const most = Math.max(1, ...rows.flat());

  useEffect(() => {
    const watch = new ResizeObserver(() => { const now = canvas.current?.parentElement?.clientWidth; if (now) width.value = now; });
    watch.observe(canvas.current!.parentElement!);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const element = canvas.current!, ratio = devicePixelRatio || 1, pen = element.getContext("2d")!;
    element.width = width.value * ratio;
    element.height = height * ratio;
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width.value, height);
    if (since && since > from) { pen.fillStyle = hatch(pen); pen.fillRect(LEFT, 6, Math.min(xOf(since), LEFT + wide) - LEFT, tall); }
    const tint = color("heat");
    rows.forEach((row, r) => row.forEach((value, i) => {
      if (value < 0.01) return;
      const at = grid.times[i]! * 1000, x0 = Math.max(LEFT, xOf(at - step * 1000)), x1 = Math.min(LEFT + wide, xOf(at));
      if (x1 <= x0) return;
      pen.fillStyle = `rgba(${tint}, ${0.1 + 0.9 * Math.log1p(value) / Math.log1p(most)})`;
      pen.fillRect(x0, 6 + tall - (r + 1) * rowHeight, Math.max(1, x1 - x0 - 0.5), Math.max(1, rowHeight - 0.5));
    }));
    pen.fillStyle = color("ink-3");
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const rowsApart = Math.ceil(16 / rowHeight);
    bounds.forEach((bound, r) => { if (r % rowsApart === 0 && Number.isFinite(bound)) pen.fillText(seconds(bound), LEFT - 6, 6 + tall - (r + 1) * rowHeight); });
    const every = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400].find((one) => (to - from) / 1000 / one <= wide / 90) ?? 604800;
    pen.textAlign = "center";
    const zone = new Date(from).getTimezoneOffset() * 60000;
    for (let ms = Math.ceil((from - zone) / (every * 1000)) * every * 1000 + zone; ms <= to; ms += every * 1000) {
      const x = xOf(ms);
      if (x > LEFT + 14 && x < LEFT + wide - 14) pen.fillText(clock(ms).slice(0, every < 60 ? undefined : -3), x, height - 8);
    }
    pen.strokeStyle = color("line");
    pen.beginPath(); pen.moveTo(LEFT, 6 + tall + 0.5); pen.lineTo(LEFT + wide, 6 + tall + 0.5); pen.stroke();
  }, [grid, width.value, isDark.value, from, to, since]);

  const cellAt = (x: number, y: number) => {
    const r = Math.min(rows.length - 1, Math.max(0, Math.floor((6 + tall - y) / rowHeight)));
    const ms = from + (x - LEFT) / wide * (to - from), i = Math.ceil(ms / 1000 / step - grid.times[0]! / step);
    return { r, i: Math.min(grid.times.length - 1, Math.max(0, i)) };
  };
  const lower = (r: number) => r > 0 ? bounds[r - 1]! : Number.isFinite(bounds[r]) ? bounds[r]! / 2 : 0;
  const place = (event: PointerEvent) => { const rect = canvas.current!.getBoundingClientRect(); return { x: event.clientX - rect.left, y: event.clientY - rect.top }; };
  const onMove = (event: PointerEvent) => {
    const { x, y } = place(event);
    if (!rows.length || x < LEFT) { tip.value = null; return; }
    if (drag.current) { box.value = { x0: drag.current.x, y0: drag.current.y, x1: x, y1: y }; return; }
    const { r, i } = cellAt(x, y);
    tip.value = { x: Math.min(x + 12, width.value - 220), y: Math.max(0, y - 28), text: `${clock(grid.times[i]! * 1000)}  ${seconds(lower(r))} to ${Number.isFinite(bounds[r]) ? seconds(bounds[r]) : "more"}: ${count(Math.round(rows[r]![i]!))}` };
  };
  const onUp = (event: PointerEvent) => {
    const begin = drag.current, end = place(event);
    drag.current = null;
    box.value = null;
    if (!begin || !rows.length) return;
    const a = cellAt(Math.min(begin.x, end.x), Math.max(begin.y, end.y)), b = cellAt(Math.max(begin.x, end.x), Math.min(begin.y, end.y));
    choose(grid.times[a.i]! * 1000 - step * 1000, grid.times[b.i]! * 1000, lower(a.r) * 1e9, Number.isFinite(bounds[b.r]) ? bounds[b.r]! * 1e9 : Infinity);
  };
  return <div class="heat" onPointerDown={(event) => { drag.current = place(event); }} onPointerMove={onMove} onPointerUp={onUp} onPointerLeave={() => { tip.value = null; drag.current = null; box.value = null; }}>
    <canvas ref={canvas} style={{ height }} role="img" aria-label={`heat map of latency: ${rows.length} rows`} />
    {box.value && <div style={{ position: "absolute", left: Math.min(box.value.x0, box.value.x1), top: Math.min(box.value.y0, box.value.y1), width: Math.abs(box.value.x1 - box.value.x0), height: Math.abs(box.value.y1 - box.value.y0), border: "1px solid var(--accent)", pointerEvents: "none" }} />}
    {tip.value && !box.value && <div class="tip" style={{ left: tip.value.x, top: tip.value.y }}>{tip.value.text}</div>}
  </div>;
}
