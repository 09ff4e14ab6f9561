// SPDX-License-Identifier: GPL-2.0-only
// kept - what the agent keeps for people: views that somebody gave a name, and what was set otherwise when.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { ask, Refusal, useAsk } from "./api";
import type { Look } from "./looks";
import { Failed, Name, say, Section, sentence, Skeleton, When } from "./parts";
import { addressOf } from "./place";
import { Table, type TableColumn } from "./table";
import { ago } from "./units";

// ---- views ----

interface View { name: string; address: string; changed: string; }
interface Views { views: View[]; }
const pathOf = (name: string) => `v1/views/${encodeURIComponent(name)}`;

/** A list of saved views, and a field that saves the present one. */
export function ViewsMenu() {
  const isOpen = useSignal(false), list = useSignal<View[] | null>(null), wrong = useSignal(""), box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen.value) return;
    const press = (event: PointerEvent) => { if (!box.current?.contains(event.target as Node)) isOpen.value = false; };
    const key = (event: KeyboardEvent) => { if (event.key === "Escape") { isOpen.value = false; event.stopPropagation(); } };
    addEventListener("pointerdown", press);
    addEventListener("keydown", key, true);
    return () => { removeEventListener("pointerdown", press); removeEventListener("keydown", key, true); };
  }, [isOpen.value]);
  const tell = async (what: () => Promise<Views>, done?: string) => {
    try {
      list.value = (await what()).views;
      wrong.value = "";
      if (done) say(done);
    } catch (error) {
      const refusal = error as Refusal;
      if (refusal.status === 401) isOpen.value = false; /* the token is asked for */
      wrong.value = refusal.message;
    }
  };
  const open = () => { isOpen.value = !isOpen.value; if (isOpen.value) void tell(() => ask<Views>("v1/views")); };
  const save = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement, name = String(new FormData(form).get("name")).trim();
    if (!name) return;
    void tell(() => ask<Views>(pathOf(name), { method: "PUT", body: { address: location.hash || "#/overview" } }), "Saved.").then(() => form.reset());
  };
  const forget = (name: string) => void tell(() => ask<Views>(pathOf(name), { method: "DELETE" }), "Forgotten.");
  return <div class="menu-box" ref={box}>
    <button type="button" class="control plain" aria-haspopup="true" aria-expanded={isOpen.value} title="saved views" onClick={open}>views <span aria-hidden="true">▾</span></button>
    {isOpen.value && <div class="menu views">
      {wrong.value && <p class="bad" role="alert">{sentence(wrong.value)}</p>}
      {!list.value ? !wrong.value && <p class="faint">…</p> : list.value.length === 0 ? <p class="faint">No view is saved yet.</p> : list.value.map((view) => <div class="saved" key={view.name}>
        <a class="cut" href={view.address} title={`saved ${ago(Date.parse(view.changed))}`} onClick={() => { isOpen.value = false; }}><Name text={view.name} /></a>
        <button type="button" aria-label={`forget ${view.name}`} title="forget it" onClick={() => forget(view.name)}>✕</button></div>)}
      <form onSubmit={save}>
        <label for="view-name">this view, its filter and time</label>
        <div class="buttons"><input id="view-name" name="name" maxLength={100} placeholder="its name" autocomplete="off" required /><button type="submit" class="control">Save</button></div>
      </form>
    </div>}
  </div>;
}

// ---- what was set otherwise ----

export interface Setting { time: string; key: string; was?: string; is?: string; by: string; }
const BY: Record<string, string> = { start: "found at its start", reload: "read from the configuration", request: "by command, page or API" };

export async function askSettings(fromMs: number, toMs: number, limit: number, stop?: AbortSignal): Promise<Setting[]> {
  try {
    return (await ask<{ changes: Setting[] }>(`v1/config/history?${new URLSearchParams({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), limit: String(limit) })}`, { signal: stop })).changes;
  } catch (error) {
    if (error instanceof Refusal && (error.status === 404 || error.status === 501)) return []; /* no history is kept */
    throw error;
  }
}

/** "items.syscalls.on: false -> true" as a person would say it. */
function saysOf({ key, was, is }: Setting): string {
  const item = /^items\.([^.]+)\.(.+)$/.exec(key);
  if (item?.[2] === "on") return `${item[1]} was ${is === undefined ? "taken out" : was === undefined ? "brought in" : is === "true" ? "switched on" : "switched off"}`;
  if (key === "version") return was ? `sonde ${was} was replaced by ${is}` : `sonde ${is} began to keep a history`;
  if (key === "kernel") return `the kernel ${was ?? ""} was replaced by ${is}`;
  return item ? `${item[1]}: ${item[2]} was set` : `${key} was set`;
}
const hintOf = ({ key, was, is }: Setting) => /\.on$|^version$|^kernel$/.test(key) ? "" : `${was ?? "its default"} → ${is ?? "its default"}`;

/** As sentences for the overview: what was set otherwise is often why something changed. */
export const settingLooks = (list: Setting[]): Look[] => list.map((one, at): Look => {
  const item = /^items\.([^.]+)\./.exec(one.key)?.[1];
  return { key: `setting ${at} ${one.time} ${one.key}`, level: "other", says: saysOf(one), hint: `${hintOf(one)}${hintOf(one) ? ", " : ""}${ago(Date.parse(one.time))}`,
    links: [item ? { text: "see item", to: addressOf({ view: "items", open: item }) } : { text: "see status", to: addressOf({ view: "status" }) }] };
});

const shownValue = ({ key }: Setting, value?: string) => value === undefined ? /^items\..*\.on$|^version$/.test(key) ? "-" : "default" : value === "" ? "nothing" : value;
const COLUMNS: TableColumn<Setting>[] = [
  { name: "time", width: "17%", value: (one) => one.time, cell: (one) => <When ms={Date.parse(one.time)} />, phone: "subside" },
  { name: "what", width: "34%", value: (one) => one.key, cell: (one) => <Name text={saysOf(one)} />, tip: (one) => one.key, phone: "main" },
  { name: "change", title: "was → is", value: (one) => one.is, cell: (one) => <span class="mono"><Name text={`${shownValue(one, one.was)} → ${shownValue(one, one.is)}`} /></span>, phone: "sub" },
  { name: "by", title: "how", width: "24%", value: (one) => one.by, cell: (one) => <span class="dim">{BY[one.by] ?? one.by}</span> },
];

/** The last settings that became otherwise, whatever the chosen time: there are few. */
export function SettingsHistory() {
  const asked = useAsk("settings history", (stop) => askSettings(0, Date.now() + 1000, 100, stop));
  return <Section title="What was set when" note="configuration, items, version">
    {asked.error && !asked.data ? <Failed error={asked.error} /> : !asked.data ? <Skeleton lines={3} /> : asked.data.length === 0 ? <p class="faint">Nothing is known of it.</p>
      : <Table label="settings" columns={COLUMNS} rows={asked.data} id={(one) => `${one.time} ${one.key}`} sort="-time" limit={20} />}
  </Section>;
}
