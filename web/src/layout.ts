// SPDX-License-Identifier: GPL-2.0-only
// layout - places the map's boxes in columns, from those that only ask on the left to those that only answer on the right.
//
// The usual four steps (Sugiyama): ways that would close a circle are turned round, each box stands one column right of
// whoever asks it, the order within columns is that of the neighbours' means, and heights are the nearest to the neighbours' that keep
// the order. Long ways bend through the columns they cross. The order of the last layout is the first guess of the next
// one, so a map that grows does not jump.

export interface Spot { x: number; y: number; }
export interface Way { from: string; to: string; weight: number; text: number; /* width of its label; 0 = none */ }
export interface Route { path: string; label?: Spot; }
export interface Layout { nodes: Map<string, Spot>; routes: Map<string, Route>; width: number; height: number; }

export const WIDTH = 164, HEIGHT = 46;
const GAP_X = 132, GAP_Y = 18, BEND = 16, MARGIN = 24, BENDS_MOST = 90, SWEEPS = 10;
export const wayId = (from: string, to: string) => `${from}\u0001${to}`;

interface Cell { id: string; column: number; y: number; height: number; left: Cell[]; right: Cell[]; }

/** Boxes in an order in which few ways lead back (Eades, Lin, Smyth): what only asks first, what only answers last. */
function orderOf(ids: string[], out: Map<string, Set<string>>, into: Map<string, Set<string>>): Map<string, number> {
  const left = new Set(ids), first: string[] = [], last: string[] = [];
  const outs = new Map(ids.map((id) => [id, out.get(id)!.size])), ins = new Map(ids.map((id) => [id, into.get(id)!.size]));
  const take = (id: string) => {
    left.delete(id);
    for (const to of out.get(id)!) ins.set(to, ins.get(to)! - 1);
    for (const from of into.get(id)!) outs.set(from, outs.get(from)! - 1);
  };
  while (left.size) {
    let found = false;
    for (const id of left) if (outs.get(id) === 0) { last.unshift(id); take(id); found = true; }
    for (const id of left) if (ins.get(id) === 0) { first.push(id); take(id); found = true; }
    if (found) continue;
    let best = "", most = -Infinity;
    for (const id of left) { const value = outs.get(id)! - ins.get(id)!; if (value > most) { most = value; best = id; } }
    first.push(best);
    take(best);
  }
  return new Map([...first, ...last].map((id, at) => [id, at]));
}

/** Columns: each one right of all that ask it, and as near as may be to what it asks. */
function columnsOf(ids: string[], forward: Map<string, string[]>, backward: Map<string, string[]>, order: Map<string, number>): Map<string, number> {
  const sorted = [...ids].sort((a, b) => order.get(a)! - order.get(b)!), column = new Map<string, number>();
  for (const id of sorted) column.set(id, Math.max(0, ...backward.get(id)!.map((from) => column.get(from)! + 1)));
  for (const id of sorted.reverse()) {
    const next = forward.get(id)!.map((to) => column.get(to)!);
    if (next.length && !backward.get(id)!.length) column.set(id, Math.min(...next) - 1);
  }
  return column;
}

/** Heights nearest to those wished that keep the order and the distances (pool adjacent violators). */
function settle(wished: number[], heights: number[]): number[] {
  const offset: number[] = [];
  heights.forEach((height, at) => offset.push(at ? offset[at - 1]! + (heights[at - 1]! + height) / 2 : 0));
  const pools: { sum: number; count: number }[] = [];
  wished.forEach((wish, at) => {
    pools.push({ sum: wish - offset[at]!, count: 1 });
    while (pools.length > 1) {
      const b = pools[pools.length - 1]!, a = pools[pools.length - 2]!;
      if (a.sum / a.count <= b.sum / b.count) break;
      pools.splice(-2, 2, { sum: a.sum + b.sum, count: a.count + b.count });
    }
  });
  const settled: number[] = [];
  for (const pool of pools) for (let n = 0; n < pool.count; n++) settled.push(pool.sum / pool.count + offset[settled.length]!);
  return settled;
}

const mean = (cells: Cell[]) => cells.reduce((sum, cell) => sum + cell.y, 0) / cells.length;

function arrange(columns: Cell[][]) {
  const stack = (cells: Cell[]) => { let y = 0; for (const cell of cells) { cell.y = y + cell.height / 2; y += cell.height; } for (const cell of cells) cell.y -= y / 2; };
  columns.forEach(stack);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const rightwards = sweep % 2 === 0, list = rightwards ? columns : [...columns].reverse();
    for (const cells of list) {
      const wish = new Map(cells.map((cell) => { const near = rightwards ? cell.left : cell.right; return [cell, near.length ? mean(near) : cell.y]; }));
      cells.sort((a, b) => wish.get(a)! - wish.get(b)!);
      stack(cells);
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) for (const cells of sweep % 2 ? [...columns].reverse() : columns) {
    const wish = cells.map((cell) => { const near = [...cell.left, ...cell.right]; return near.length ? mean(near) : cell.y; });
    settle(wish, cells.map((cell) => cell.height)).forEach((y, at) => { cells[at]!.y = y; });
  }
}

/** Columns higher than this are several beside each other, so that a large map is no ladder. */
function wrap(cells: Cell[], rows: number): Cell[][] {
  const parts = Math.ceil(cells.length / rows), each = Math.ceil(cells.length / parts);
  return Array.from({ length: parts }, (_, at) => cells.slice(at * each, (at + 1) * each));
}

const bezier = (a: Spot, b: Spot) => `C${(a.x + b.x) / 2},${a.y} ${(a.x + b.x) / 2},${b.y} ${b.x},${b.y}`;
const onBezier = (a: Spot, b: Spot, t: number): Spot => {
  const u = 1 - t, middle = (a.x + b.x) / 2;
  return { x: u * u * u * a.x + 3 * u * u * t * middle + 3 * u * t * t * middle + t * t * t * b.x, y: a.y * (u * u * u + 3 * u * u * t) + b.y * (3 * u * t * t + t * t * t) };
};

export function layoutOf(ids: string[], ways: Way[], before?: Layout): Layout {
  const known = new Set(ids), real = ways.filter((way) => way.from !== way.to && known.has(way.from) && known.has(way.to));
  const out = new Map(ids.map((id) => [id, new Set<string>()])), into = new Map(ids.map((id) => [id, new Set<string>()]));
  for (const way of real) { out.get(way.from)!.add(way.to); into.get(way.to)!.add(way.from); }
  const rank = (id: string) => before?.nodes.get(id)?.y ?? Infinity;
  const sorted = [...ids].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const linked = sorted.filter((id) => out.get(id)!.size + into.get(id)!.size > 0), alone = sorted.filter((id) => !linked.includes(id));

  const order = orderOf(linked, out, into);
  const forward = new Map(linked.map((id) => [id, [] as string[]])), backward = new Map(linked.map((id) => [id, [] as string[]]));
  const pairs = new Map<string, [string, string]>(); /* both directions of a pair are one line of neighbours */
  for (const way of real) {
    const [a, b] = order.get(way.from)! < order.get(way.to)! ? [way.from, way.to] : [way.to, way.from];
    if (pairs.has(wayId(a, b))) continue;
    pairs.set(wayId(a, b), [a, b]);
    forward.get(a)!.push(b);
    backward.get(b)!.push(a);
  }
  const column = columnsOf(linked, forward, backward, order);
  const cells = new Map<string, Cell>(), bends = new Map<string, Cell[]>();
  let columns: Cell[][] = Array.from({ length: Math.max(-1, ...column.values()) + 1 }, () => []);
  const add = (id: string, at: number, height: number) => { const cell: Cell = { id, column: at, y: 0, height, left: [], right: [] }; columns[at]!.push(cell); return cell; };
  for (const id of linked) cells.set(id, add(id, column.get(id)!, HEIGHT + GAP_Y));
  const isLarge = linked.length > BENDS_MOST;
  for (const [key, [a, b]] of pairs) {
    let last = cells.get(a)!;
    const chain: Cell[] = [], end = cells.get(b)!;
    for (let at = last.column + 1; !isLarge && at < end.column; at++) {
      const bend = add("", at, BEND);
      last.right.push(bend);
      bend.left.push(last);
      chain.push(bend);
      last = bend;
    }
    last.right.push(end);
    end.left.push(last);
    bends.set(key, chain);
  }
  arrange(columns);
  if (isLarge) { /* too many for one column each: beside each other, around the same middle */
    const rows = Math.max(14, Math.ceil(Math.sqrt(linked.length) * 1.5));
    columns = columns.flatMap((list) => wrap(list, rows));
    for (const list of columns) settle(list.map((cell) => cell.y * Math.min(1, rows / list.length)), list.map((cell) => cell.height)).forEach((y, at) => { list[at]!.y = y; });
    for (const list of columns) { const middle = mean(list); for (const cell of list) cell.y -= middle; }
  }
  columns.forEach((list, at) => { for (const cell of list) cell.column = at; });

  const all = columns.flat(), top = Math.min(0, ...all.map((cell) => cell.y - cell.height / 2)), xOf = (at: number) => MARGIN + WIDTH / 2 + at * (WIDTH + GAP_X);
  for (const cell of all) cell.y += MARGIN - top;
  const bottom = Math.max(0, ...all.map((cell) => cell.y + cell.height / 2));
  const nodes = new Map([...cells].map(([id, cell]) => [id, { x: xOf(cell.column), y: cell.y }]));
  let width = columns.length ? MARGIN * 2 + columns.length * (WIDTH + GAP_X) - GAP_X : 0, height = bottom ? bottom + MARGIN : MARGIN;
  if (alone.length) { /* those that nobody is seen to ask: rows at the foot */
    const across = Math.max(Math.ceil(Math.sqrt(alone.length * 3)), Math.floor((width - MARGIN * 2 + GAP_Y) / (WIDTH + GAP_Y)), 1);
    alone.forEach((id, at) => nodes.set(id, { x: MARGIN + WIDTH / 2 + (at % across) * (WIDTH + GAP_Y), y: height + HEIGHT / 2 + Math.floor(at / across) * (HEIGHT + GAP_Y) }));
    width = Math.max(width, MARGIN * 2 + Math.min(alone.length, across) * (WIDTH + GAP_Y) - GAP_Y);
    height += Math.ceil(alone.length / across) * (HEIGHT + GAP_Y) + MARGIN;
  }
  return { nodes, routes: routesOf(real, cells, bends, order, xOf), width: Math.max(width, 300), height: Math.max(height, 160) };
}

/** Lines from side to side; at each side they arrive in the order of where they come from, a little apart. */
function routesOf(ways: Way[], cells: Map<string, Cell>, bends: Map<string, Cell[]>, order: Map<string, number>, xOf: (column: number) => number): Map<string, Route> {
  const sides = new Map<string, { way: Way; other: number }[]>();
  const touch = (side: string, way: Way, other: number) => { const list = sides.get(side); if (list) list.push({ way, other }); else sides.set(side, [{ way, other }]); };
  const chainOf = (way: Way) => {
    const leads = order.get(way.from)! < order.get(way.to)!, chain = bends.get(leads ? wayId(way.from, way.to) : wayId(way.to, way.from)) ?? [];
    return { leads, chain: leads ? chain : [...chain].reverse() };
  };
  for (const way of ways) {
    const { leads, chain } = chainOf(way), from = cells.get(way.from)!, to = cells.get(way.to)!;
    touch(`${leads ? "r" : "l"}${way.from}`, way, (chain[0] ?? to).y + (leads ? 0 : 0.1));
    touch(`${leads ? "l" : "r"}${way.to}`, way, (chain[chain.length - 1] ?? from).y + (leads ? 0 : 0.1));
  }
  const port = new Map<string, number>();
  for (const [side, list] of sides) {
    list.sort((a, b) => a.other - b.other);
    const apart = Math.min(10, (HEIGHT - 14) / Math.max(1, list.length - 1));
    list.forEach((one, at) => port.set(`${side}\u0002${wayId(one.way.from, one.way.to)}`, (at - (list.length - 1) / 2) * apart));
  }
  const routes = new Map<string, Route>(), taken: { left: number; right: number; top: number; bottom: number }[] = [];
  for (const way of [...ways].sort((a, b) => b.weight - a.weight)) {
    const { leads, chain } = chainOf(way), id = wayId(way.from, way.to), from = cells.get(way.from)!, to = cells.get(way.to)!, half = (leads ? 1 : -1) * WIDTH / 2;
    const points: Spot[] = [{ x: xOf(from.column) + half, y: from.y + (port.get(`${leads ? "r" : "l"}${way.from}\u0002${id}`) ?? 0) }];
    for (const bend of chain) points.push({ x: xOf(bend.column) - half, y: bend.y }, { x: xOf(bend.column) + half, y: bend.y });
    points.push({ x: xOf(to.column) - half, y: to.y + (port.get(`${leads ? "l" : "r"}${way.to}\u0002${id}`) ?? 0) });
    let path = `M${points[0]!.x},${points[0]!.y}`;
    for (let at = 1; at < points.length; at += 2) path += bezier(points[at - 1]!, points[at]!) + (at + 1 < points.length ? `L${points[at + 1]!.x},${points[at + 1]!.y}` : "");
    /* a label where no other one stands, on the first or the last part of the line; else it is shown when asked for */
    let label: Spot | undefined;
    const last = points.length - 2;
    for (const [at, t] of [[0, 0.5], [last, 0.5], [0, 0.32], [last, 0.68], [0, 0.66], [last, 0.34]] as const) {
      if (!way.text || label) break;
      const spot = onBezier(points[at]!, points[at + 1]!, t), box = { left: spot.x - way.text / 2 - 3, right: spot.x + way.text / 2 + 3, top: spot.y - 7, bottom: spot.y + 7 };
      if (taken.some((one) => one.left < box.right && box.left < one.right && one.top < box.bottom && box.top < one.bottom)) continue;
      taken.push(box);
      label = spot;
    }
    routes.set(id, { path, label });
  }
  return routes;
}
