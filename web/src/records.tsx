// SPDX-License-Identifier: GPL-2.0-only
// records - a list of single records of some items, live and past, the newest first; connections and events are made of it.
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { ask, columnsOfItem, items, rangeKey, useAsk, window, type ItemWhole } from "./api";
import { applicable, matches, parse, type Row } from "./filter";
import { offered } from "./filterbox";
import { stream, useLive } from "./live";
import { cellText, copy, Facts, Failed, NotAsked, Pane, Skeleton, State } from "./parts";
import { go, paused, place } from "./place";
import { Table, type TableColumn } from "./table";
import { count } from "./units";

const KEPT = 3000, ASKED = 500;
export const recordId = (row: Row) => `${row.time}~${row.item}~${row.pid ?? row.connection ?? ""}~${row.kind}`;
const times = new WeakMap<Row, number>();
export const recordTime = (row: Row) => { let at = times.get(row); if (at === undefined) times.set(row, at = Date.parse(String(row.time))); return at; };

interface Props { items: string[]; columns: TableColumn<Row>[]; label: string; head?: ComponentChildren; empty: string; fails?: (row: Row) => boolean; detail?: (row: Row) => ComponentChildren; title: (row: Row) => ComponentChildren; quiet?: { is: (row: Row) => boolean; what: string }; /* not shown unless asked for */ }

interface Past { rows: Row[]; oldest?: string; partial?: string; left: string[]; filter: string; columns: { name: string; help?: string }[]; }

/** Each item is asked what of the filter its columns know. */
async function askItems(names: string[], text: string, fromMs: number, toMs: number, stop: AbortSignal): Promise<Past> {
  const answers = await Promise.all(names.map(async (name) => {
    const columns = (await columnsOf(name)), useful = applicable(text, columns.map((one) => one.name));
    const words = new URLSearchParams({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), order: "desc", source: "recent", limit: String(ASKED) });
    if (useful.text) words.set("filter", useful.text);
    const answer = await ask<{ records: Row[]; oldest?: string; partial?: string }>(`v1/records/${encodeURIComponent(name)}?${words}`, { signal: stop });
    return { ...answer, useful, columns };
  }));
  const rows = answers.flatMap((answer) => answer.records).sort((a, b) => recordTime(b) - recordTime(a));
  const left = answers.length ? answers.map((answer) => answer.useful.left).reduce((a, b) => a.filter((one) => b.includes(one))) : [];
  return { rows, oldest: answers.map((answer) => answer.oldest).filter(Boolean).sort()[0], partial: answers.find((answer) => answer.partial)?.partial, left, filter: answers.length === 1 ? answers[0]!.useful.text : "",
    columns: [...new Map(answers.flatMap((answer) => answer.columns).map((one) => [one.name, one])).values()] };
}

const known = new Map<string, { name: string; help?: string }[]>();
async function columnsOf(item: string) {
  if (!known.has(item)) {
    const whole = await ask<ItemWhole>(`v1/items/${encodeURIComponent(item)}`);
    known.set(item, columnsOfItem(whole).map(({ name, help }) => ({ name, help })));
  }
  return known.get(item)!;
}

export function Records({ items: names, columns, label, head, empty, fails, detail, title, quiet }: Props) {
  const { from, to } = window(), filter = place.value.filter;
  const past = useAsk(`${names.join()} ${rangeKey()} ${filter}`, (stop) => askItems(names, filter, from, to, stop), !place.value.open);
  const live = useRef<{ rows: Row[]; waits: Row[] }>({ rows: [], waits: [] });
  const turn = useSignal(0), waiting = useSignal(0), box = useRef<HTMLDivElement>(null);
  const holds = () => paused.value || !!place.value.open || (box.current?.querySelector(".table-box")?.scrollTop ?? 0) > 4;
  const release = () => { live.current = { rows: [...live.current.waits, ...live.current.rows].slice(0, KEPT), waits: [] }; waiting.value = 0; turn.value++; };
  useEffect(() => { live.current = { rows: [], waits: [] }; waiting.value = 0; turn.value++; }, [filter, names.join(), place.value.range.last]);
  useEffect(() => { if (!paused.value && !place.value.open) release(); }, [paused.value, place.value.open]);
  const on = names.filter((name) => items.value.some((item) => item.name === name && item.on));
  useLive(on.join(","), names.length === 1 ? past.data?.filter ?? "" : "", (rows, whole) => {
    const usefulFor = (row: Row) => matchesItem(row, filter);
    const fresh = whole ? [] : rows.filter(usefulFor);
    if (!fresh.length) return;
    live.current.waits = [...fresh.reverse(), ...live.current.waits].slice(0, KEPT);
    if (holds()) waiting.value = live.current.waits.length; else release();
  }, on.length > 0 && !!past.data);
  const all = useMemo(() => {
    const seen = new Map<string, Row>();
    for (const row of live.current.rows) seen.set(recordId(row), row);
    for (const row of past.data?.rows ?? []) if (!seen.has(recordId(row))) seen.set(recordId(row), row);
    return [...seen.values()].sort((a, b) => recordTime(b) - recordTime(a)).slice(0, KEPT);
  }, [turn.value, past.data]);
  const showsQuiet = place.value.more.quiet === "shown", rows = useMemo(() => quiet && !showsQuiet ? all.filter((row) => !quiet.is(row)) : all, [all, showsQuiet]);
  useEffect(() => {
    offered.value = { columns: (past.data?.columns ?? []).filter((one) => one.name !== "item"), values: (column) => [...new Set(rows.map((row) => row[column]).filter((value) => value !== undefined && typeof value !== "object").map(String))].slice(0, 200) };
    return () => { offered.value = { columns: [], values: () => [] }; };
  }, [past.data, rows]);
  const open = rows.find((row) => recordId(row) === place.value.open);
  return <>
    <div class="view full" ref={box}>
      {head}
      <div class="table-tools"><span class="dim">{past.data ? `${count(rows.length)} shown${names.length - on.length > 0 && items.value.length ? `, ${names.length - on.length === 1 ? "one item is off" : `${names.length - on.length} of the items are off`}` : ""}` : ""}</span>
        {quiet && (showsQuiet || all.length > rows.length) && <button type="button" class="control plain dim" onClick={() => go({ more: { ...place.value.more, quiet: showsQuiet ? "" : "shown" }, open: "" })}>{showsQuiet ? `hide ${quiet.what}` : `${count(all.length - rows.length)} ${quiet.what}: show`}</button>}</div>
      <NotAsked left={past.data?.left ?? []} of={label} />
      {stream.value.error && place.value.range.last ? <p class="filter-note bad" role="alert">Live: {stream.value.error}</p> : null}
      {waiting.value > 0 && <button type="button" class="fresh" onClick={() => { box.current?.querySelector(".table-box")?.scrollTo(0, 0); release(); }}>{count(waiting.value)} new: show</button>}
      {rows.length ? <Table label={label} columns={columns} rows={rows} id={recordId} asTheyCome chosen={place.value.open} fails={fails} choose={(row) => go({ open: recordId(row) }, !!place.value.open)} />
        : past.error ? <Failed error={past.error} /> : !past.data ? <Skeleton lines={12} /> : <State title={filter ? "Nothing matches." : empty}><p>{filter ? "Take something out of the filter, or look at a longer time." : ""}{past.data.oldest ? ` The history begins ${cellText("time", past.data.oldest)}.` : ""}</p></State>}
      {past.data?.partial && <p class="filter-note">Not everything could be looked at: {past.data.partial}.</p>}
    </div>
    {place.value.open && <Pane title={open ? title(open) : "Record"}>{open ? <>{detail?.(open)}<Facts of={open} /><div class="buttons"><button type="button" class="control" onClick={() => void copy(JSON.stringify(open, null, 2))}>Copy as JSON</button></div></> : <State title="This record is not among those shown."><p>Look at the time it is of.</p></State>}</Pane>}
  </>;
}

function matchesItem(row: Row, text: string): boolean {
  const columns = known.get(String(row.item))?.map((one) => one.name) ?? [];
  try { return matches(parse(applicable(text, columns).text), row); } catch { return true; }
}
