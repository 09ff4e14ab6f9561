// SPDX-License-Identifier: GPL-2.0-only
// filterbox - the one box: completes columns and values, says what is wrong under itself, remembers the last filters.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, columnsOfItem, type ItemWhole } from "./api";
import { Mistake, parse } from "./filter";
import { go, place } from "./place";
import { LABELS } from "./red";
import { shown } from "./units";

const LAST_KEY = "sonde-filters", LAST_MOST = 8;
const last = signal<string[]>([]);
try { last.value = (JSON.parse(localStorage.getItem(LAST_KEY) ?? "[]") as unknown[]).filter((one): one is string => typeof one === "string"); } catch { /* none */ }
function remember(text: string) {
  if (!text.trim()) return;
  last.value = [text, ...last.value.filter((one) => one !== text)].slice(0, LAST_MOST);
  try { localStorage.setItem(LAST_KEY, JSON.stringify(last.value)); } catch { /* for this time */ }
}

/** Columns that the view at hand has; it says so itself. Values are those it has seen. */
export const offered = signal<{ columns: { name: string; help?: string }[]; values: (column: string) => string[] }>({ columns: [], values: () => [] });
let usual: { name: string; help?: string }[] = LABELS.map((name) => ({ name }));
let usualAsked = false;
async function askUsual() {
  if (usualAsked) return;
  usualAsked = true;
  try {
    const item = await ask<ItemWhole>("v1/items/requests");
    const columns = columnsOfItem(item, "request");
    if (columns.length) usual = columns.filter((column) => !["item", "kind", "time"].includes(column.name)).map(({ name, help }) => ({ name, help }));
  } catch { usualAsked = false; }
}

interface Offer { text: string; help?: string; from: number; title?: boolean; whole?: boolean; }

async function offersFor(text: string, caret: number): Promise<Offer[]> {
  const before = text.slice(0, caret);
  const value = /([A-Za-z_]\w*)\s*(?:!=|!~|=|~)\s*("?)([^\s"()]*)$/.exec(before);
  if (value) {
    const column = value[1]!, typed = value[3]!.toLowerCase(), from = caret - value[3]!.length - value[2]!.length;
    const seen = new Set(offered.value.values(column));
    if (LABELS.includes(column)) {
      try { (await ask<{ data: string[] }>(`api/v1/label/${column}/values?${new URLSearchParams({ "match[]": "sonde_request_duration_seconds_count" })}`)).data.forEach((one) => seen.add(one)); } catch { /* what was seen is enough */ }
    }
    return [...seen].filter((one) => one.toLowerCase().includes(typed) && one !== value[3]).slice(0, 10)
      .map((one) => ({ text: /^[\w./:-]+$/.test(one) ? one : JSON.stringify(one), from }));
  }
  const word = /(?:^|[\s(])([A-Za-z_]\w*)?$/.exec(before);
  if (!word) return [];
  const typed = (word[1] ?? "").toLowerCase(), from = caret - typed.length;
  const offers: Offer[] = [];
  if (!text) {
    if (last.value.length) offers.push({ text: "last filters", from: 0, title: true }, ...last.value.slice(0, 5).map((one) => ({ text: one, from: 0, whole: true })));
    offers.push({ text: "columns", from: 0, title: true });
  } else if (!typed && !/(\b(and|or|not)\s+|\(\s*)$/i.test(before)) return [];
  await askUsual();
  const columns = offered.value.columns.length ? offered.value.columns : usual;
  offers.push(...columns.filter(({ name }) => name.includes(typed) && name !== typed).sort((a, b) => Number(b.name.startsWith(typed)) - Number(a.name.startsWith(typed)))
    .slice(0, text ? 10 : 24).map(({ name, help }) => ({ text: name, help, from })));
  return offers;
}

/** "status = 404 and proto": nobody means a column called so. */
function endsInHalfAWord(text: string): boolean {
  const word = /(?:^|[\s(])([A-Za-z_]\w*)$/.exec(text)?.[1];
  if (!word || /[=~<>]\s*$/.test(text.slice(0, -word.length))) return false;
  return ![...offered.value.columns, ...usual].some((column) => column.name === word);
}

function mistakeOf(text: string): string {
  try { parse(text); return ""; } catch (error) { return error instanceof Mistake ? `Column ${error.at + 1}: ${error.message}.` : String(error); }
}

export function FilterBox() {
  const input = useRef<HTMLInputElement>(null);
  const typed = useSignal(place.value.filter), mistake = useSignal(mistakeOf(place.value.filter)), offers = useSignal<Offer[]>([]), at = useSignal(-1), isOpen = useSignal(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined), turn = useRef(0);
  useEffect(() => { if (place.value.filter !== typed.peek()) { typed.value = place.value.filter; mistake.value = mistakeOf(place.value.filter); } }, [place.value.filter]);

  const apply = (text: string, now: boolean) => {
    clearTimeout(timer.current);
    try { parse(text); mistake.value = ""; } catch (error) {
      if (error instanceof Mistake) mistake.value = now || error.at < text.trimEnd().length ? `Column ${error.at + 1}: ${error.message}.` : "";
      return;
    }
    const open = place.value.view === "items" ? place.value.open : ""; /* what is open may not match any more */
    if (now) { remember(text.trim()); go({ filter: text.trim(), open }); } else if (!endsInHalfAWord(text)) timer.current = setTimeout(() => go({ filter: text.trim(), open }, true), 250);
  };
  const offer = async () => {
    const mine = ++turn.current;
    const found = await offersFor(input.current!.value, input.current!.selectionStart ?? 0);
    if (mine !== turn.current) return;
    offers.value = found;
    at.value = -1;
    isOpen.value = found.length > 0;
  };
  const take = (one: Offer) => {
    const box = input.current!, caret = box.selectionStart ?? box.value.length;
    const text = one.whole ? one.text : `${box.value.slice(0, one.from)}${one.text} ${box.value.slice(caret).trimStart()}`;
    typed.value = text;
    box.value = text;
    box.focus();
    const to = one.whole ? text.length : one.from + one.text.length + 1;
    box.setSelectionRange(to, to);
    apply(text, !!one.whole);
    if (one.whole) isOpen.value = false; else void offer();
  };
  const onKey = (event: KeyboardEvent) => {
    const list = offers.value;
    if (event.key === "Escape") { event.stopPropagation(); if (isOpen.value) isOpen.value = false; else input.current!.blur(); return; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen.value) { void offer(); return; }
      const step = event.key === "ArrowDown" ? 1 : -1;
      let to = at.value;
      do to = (to + step + list.length) % list.length; while (list[to]?.title && list.some((one) => !one.title));
      at.value = to;
    } else if ((event.key === "Tab" || event.key === "Enter") && isOpen.value && at.value >= 0) { event.preventDefault(); take(list[at.value]!); }
    else if (event.key === "Enter") { isOpen.value = false; apply(typed.value, true); }
  };
  return <div class="filter">
    <input ref={input} id="filter" type="text" spellcheck={false} autocomplete="off" autocapitalize="off" aria-label="filter" role="combobox" aria-expanded={isOpen.value} aria-controls="filter-offers"
      aria-invalid={!!mistake.value} aria-activedescendant={at.value >= 0 ? `offer-${at.value}` : undefined} placeholder="filter: status >= 500 and process = nginx" value={typed.value}
      onInput={(event) => { typed.value = event.currentTarget.value; apply(typed.value, false); void offer(); }}
      onFocus={() => void offer()} onBlur={() => setTimeout(() => { isOpen.value = false; }, 150)} onKeyDown={onKey} />
    {typed.value ? <button type="button" class="clear" aria-label="clear the filter" onClick={() => { typed.value = ""; mistake.value = ""; go({ filter: "" }); input.current!.focus(); }}>✕</button> : <kbd class="wide-only" aria-hidden="true">/</kbd>}
    <ul id="filter-offers" class="offer" role="listbox" aria-label="completions" hidden={!isOpen.value && !mistake.value}>
      {mistake.value && <li class="bad" role="presentation">{mistake.value}</li>}
      {isOpen.value && offers.value.map((one, index) => one.title ? <li key={`t${one.text}`} class="title" role="presentation">{one.text}</li>
        : <li key={`${one.text}${index}`} id={`offer-${index}`} role="option" aria-selected={index === at.value} onMouseDown={(event) => { event.preventDefault(); take(one); }}>
          <span class="mono"><bdi>{shown(one.text)}</bdi></span>{one.help && <small>{one.help}</small>}</li>)}
    </ul>
  </div>;
}
