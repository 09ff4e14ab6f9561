// SPDX-License-Identifier: GPL-2.0-only
// table - rows of one kind: sorted by a click, moved through with the arrows, drawn only where they are seen. The order stands
// still while numbers change: rows move on a sort, or when range or filter change, not because a second has passed.
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

export interface TableColumn<T> {
  name: string; title?: string; help?: string; width?: number | string; numeric?: boolean;
  value?: (row: T) => string | number | undefined; /* by which is sorted */
  cell: (row: T) => ComponentChildren;
  phone?: "main" | "side" | "sub" | "subside"; /* its place where a row has two lines */
  tip?: (row: T) => string | undefined;
  optional?: boolean; /* not there when no row has a value */
}
interface Props<T> {
  label: string; columns: TableColumn<T>[]; rows: T[]; id: (row: T) => string;
  sort?: string; /* "-rate": by it, the greatest first */
  orderKey?: string; /* a new one sorts anew */
  chosen?: string; choose?: (row: T) => void; fails?: (row: T) => boolean;
  limit?: number; /* not more than this, and as high as that; else it fills its place and scrolls */
  asTheyCome?: boolean; /* the order is the caller's */
}

const ROW = 28, ROW_TWO = 50;
const narrow = matchMedia("(max-width: 640px)");
export const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", (event) => { isNarrow.value = event.matches; });

/** The table that answers to arrows when nothing has the focus. */
let keyboard: ((key: string) => boolean) | null = null;
export const tableKey = (key: string) => keyboard?.(key) ?? false;

function compare(a: string | number | undefined, b: string | number | undefined, down: boolean): number {
  if (a === b) return 0;
  if (a === undefined) return 1; /* what is unknown comes last either way */
  if (b === undefined) return -1;
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return down ? -order : order;
}

function useOrder<T>({ rows, id, columns, orderKey, asTheyCome }: Props<T>, sort: string): T[] {
  const places = useRef<{ key: string; at: Map<string, number> }>({ key: "", at: new Map() });
  return useMemo(() => {
    if (asTheyCome && !sort) return rows;
    const down = sort.startsWith("-"), column = columns.find((one) => one.name === sort.replace(/^-/, ""));
    const key = `${sort}\u0001${orderKey ?? ""}`;
    const value = column?.value;
    const known = places.current;
    let sorted: T[];
    if (known.key === key && known.at.size) {
      const at = (row: T) => known.at.get(id(row));
      const old = rows.filter((row) => at(row) !== undefined).sort((a, b) => at(a)! - at(b)!);
      const fresh = rows.filter((row) => at(row) === undefined);
      if (value) fresh.sort((a, b) => compare(value(a), value(b), down));
      sorted = [...old, ...fresh];
    } else {
      sorted = value ? [...rows].sort((a, b) => compare(value(a), value(b), down)) : rows;
    }
    places.current = { key: rows.length ? key : "", at: new Map(sorted.map((row, index) => [id(row), index])) };
    return sorted;
  }, [rows, sort, orderKey]);
}

function useVirtual(count: number, size: number, box: { current: HTMLDivElement | null }, on: boolean) {
  const turn = useSignal(0);
  turn.value; /* draws anew when the part that is seen moves */
  const virtual = useRef<Virtualizer<HTMLDivElement, Element> | null>(null);
  const options = {
    count: on ? count : 0, getScrollElement: () => box.current, estimateSize: () => size, overscan: 12, scrollMargin: 0,
    observeElementRect, observeElementOffset, scrollToFn: elementScroll, onChange: () => { turn.value++; },
    initialRect: { width: 800, height: 800 },
  };
  if (!virtual.current) virtual.current = new Virtualizer<HTMLDivElement, Element>(options);
  else virtual.current.setOptions(options);
  useLayoutEffect(() => virtual.current!._didMount(), []);
  useLayoutEffect(() => { virtual.current!._willUpdate(); });
  useEffect(() => { virtual.current!.measure(); }, [size]);
  return virtual.current;
}

export function Table<T>(props: Props<T>) {
  const { label, rows, id, chosen, choose, fails, limit } = props;
  const columns = useMemo(() => props.columns.filter((column) => !column.optional || rows.some((row) => column.value?.(row) !== undefined)), [props.columns, rows]);
  const sort = useSignal(props.sort ?? "");
  const cursor = useSignal("");
  const box = useRef<HTMLDivElement>(null);
  const all = useOrder(props, sort.value);
  const sorted = limit ? all.slice(0, limit) : all;
  const two = isNarrow.value && columns.some((column) => column.phone === "main");
  const size = two ? ROW_TWO : ROW;
  const virtual = useVirtual(sorted.length, size, box, !limit);
  const seen = limit ? sorted.map((_, index) => index) : virtual.getVirtualItems().map((item) => item.index);
  const above = limit || !seen.length ? 0 : seen[0]! * size;
  const below = limit || !seen.length ? 0 : (sorted.length - 1 - seen[seen.length - 1]!) * size;

  const move = (key: string): boolean => {
    const at = sorted.findIndex((row) => id(row) === (cursor.value || chosen));
    if (key === "Enter") { if (at >= 0 && choose) choose(sorted[at]!); return at >= 0; }
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 300) / size) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[key];
    if (!step || !sorted.length) return false;
    const to = Math.min(Math.max(at < 0 ? (step > 0 ? 0 : sorted.length - 1) : at + step, 0), sorted.length - 1);
    cursor.value = id(sorted[to]!);
    if (limit) box.current?.querySelectorAll("[data-row]")[to]?.scrollIntoView({ block: "nearest" });
    else virtual.scrollToIndex(to);
    if (chosen && choose) choose(sorted[to]!); /* with the pane open it follows */
    return true;
  };
  useEffect(() => { keyboard = move; });
  useEffect(() => () => { keyboard = null; }, []);

  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).tagName === "BUTTON") return;
    if (move(event.key)) { event.preventDefault(); event.stopPropagation(); }
  };
  const turnTo = (column: TableColumn<T>) => {
    const usual = column.numeric ? `-${column.name}` : column.name;
    sort.value = sort.value === usual ? (column.numeric ? column.name : `-${column.name}`) : usual;
  };
  const press = (row: T) => { cursor.value = id(row); choose?.(row); };
  const isChosen = (row: T) => id(row) === (chosen || cursor.value);
  const of = (place: TableColumn<T>["phone"]) => columns.filter((column) => column.phone === place);

  if (two) return (
    <div class={`table-box${limit ? "" : " fill"}`} ref={box} tabIndex={0} role="listbox" aria-label={label} onKeyDown={onKey}>
      <div style={{ height: above }} role="presentation" />
      {seen.map((index) => {
        const row = sorted[index];
        return row && <div class={`two${fails?.(row) ? " bad" : ""}`} key={id(row)} data-row role="option" aria-selected={isChosen(row)} onClick={() => press(row)}>
          <div><span>{of("main").map((column) => <span key={column.name}>{column.cell(row)} </span>)}</span>{of("side").map((column) => <span class="num" key={column.name}>{column.cell(row)}</span>)}</div>
          <div><span>{of("sub").map((column) => <span key={column.name}>{column.cell(row)} </span>)}</span>{of("subside").map((column) => <span class="num" key={column.name}>{column.cell(row)}</span>)}</div>
        </div>;
      })}
      <div style={{ height: below }} role="presentation" />
    </div>);

  return (
    <div class={`table-box${limit ? "" : " fill"}`} ref={box} tabIndex={0} role="region" aria-label={label} onKeyDown={onKey}>
      <table role="grid" aria-label={label} aria-rowcount={sorted.length + 1}>
        <colgroup>{columns.map((column) => <col key={column.name} style={{ width: typeof column.width === "number" ? `${column.width}px` : column.width ?? "auto" }} />)}</colgroup>
        <thead><tr>{columns.map((column) => {
          const active = sort.value.replace(/^-/, "") === column.name;
          return <th key={column.name} scope="col" class={column.numeric ? "num" : ""} title={column.help}
            aria-sort={active ? (sort.value.startsWith("-") ? "descending" : "ascending") : undefined}>
            {column.value ? <button type="button" onClick={() => turnTo(column)}>{column.title ?? column.name}{active ? (sort.value.startsWith("-") ? " ↓" : " ↑") : ""}</button>
              : <span>{column.title ?? column.name}</span>}
          </th>;
        })}</tr></thead>
        <tbody>
          {above > 0 && <tr aria-hidden="true"><td colSpan={columns.length} style={{ height: above, padding: 0, border: 0 }} /></tr>}
          {seen.map((index) => {
            const row = sorted[index];
            return row && <tr key={id(row)} data-row class={`row${choose ? "" : " still"}${fails?.(row) ? " fails" : ""}`} aria-rowindex={index + 2} aria-selected={isChosen(row)} onClick={choose && (() => press(row))}>
              {columns.map((column) => <td key={column.name} class={column.numeric ? "num" : ""} title={column.tip?.(row)}>{column.cell(row)}</td>)}
            </tr>;
          })}
          {below > 0 && <tr aria-hidden="true"><td colSpan={columns.length} style={{ height: below, padding: 0, border: 0 }} /></tr>}
        </tbody>
      </table>
      {limit && rows.length > limit ? <p class="faint" style={{ fontSize: 11, paddingTop: 4 }}>{rows.length - limit} more</p> : null}
    </div>);
}
