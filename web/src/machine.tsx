// SPDX-License-Identifier: GPL-2.0-only
// machine - a drawing of the machine: applications above, the kernel below them, the devices at the foot, each with what it does at
// this moment; and each item where it hooks.
import type { ComponentChildren } from "preact";
import { type Item, itemRates, items, grid, rangeKey, rateWindow, stepFor, useAsk, window } from "./api";
import { HOST } from "./host";
import { Name } from "./parts";
import { go, place } from "./place";
import { bytesRate, percent, perSecond } from "./units";

type Part = "apps" | "libraries" | "syscalls" | "files" | "network" | "sched" | "memory" | "block" | "interfaces" | "interrupts" | "others";
interface Layer { id: Part; title: string; what: string; }
const LAYERS: Record<Part, Layer> = {
  apps: { id: "apps", title: "Applications", what: "what services say to each other" },
  libraries: { id: "libraries", title: "Libraries", what: "TLS, run times" },
  syscalls: { id: "syscalls", title: "System calls", what: "programs ask the kernel; who may" },
  files: { id: "files", title: "File systems", what: "files, descriptors" },
  network: { id: "network", title: "Sockets and TCP", what: "connections" },
  sched: { id: "sched", title: "Scheduler", what: "who runs, who waits" },
  memory: { id: "memory", title: "Virtual memory", what: "pages, limits" },
  block: { id: "block", title: "Block layer", what: "requests to disks" },
  interfaces: { id: "interfaces", title: "Interfaces", what: "packets" },
  interrupts: { id: "interrupts", title: "Drivers and interrupts", what: "what devices ask of the CPUs" },
  others: { id: "others", title: "Brought in", what: "items of others" },
};

/** Where an item stands: by its wing, and where that says too little by what it hooks. */
export function partOf(item: Item): Part {
  const sections = item.hooks.map((hook) => `${hook.hook} ${hook.section ?? ""}`).join(" ");
  if (/\b(u(ret)?probe|usdt)\b/.test(sections) || /^(tls|gethostlatency|bashreadline)$/.test(item.name)) return "libraries";
  switch (item.wing) {
    case "app": return "apps";
    case "sec": return "syscalls";
    case "mem": return "memory";
    case "disk": return /block_|nvme|scsi/.test(sections) || /^(disk|bio|bitesize)$/.test(item.name) ? "block" : "files";
    case "net": return item.name === "nic" ? "interfaces" : "network";
    case "cpu": return /irq|workqueue/.test(item.name) ? "interrupts" : /sys_enter|sys_exit/.test(sections) || /^(syscall|futex)/.test(item.name) ? "syscalls" : "sched";
    default: return "others";
  }
}

export const stateOf = (item: Item) => item.state === "asleep" ? "asleep" : item.on ? "on" : item.state === "skipped" || (item.reason && item.state !== "off") ? "skipped" : "off";
export const busiest = (item: Item) => {
  const rates = itemRates.value[item.name];
  return rates && (rates.events !== undefined || rates.runs !== undefined) ? Math.max(rates.events ?? 0, rates.runs ?? 0) : undefined;
};

function Hook({ item }: { item: Item }) {
  const state = stateOf(item), rate = state === "on" ? busiest(item) : undefined, loses = (itemRates.value[item.name]?.lost ?? 0) > 0;
  return <button type="button" class={`hook ${state}`} aria-pressed={place.value.open === item.name} title={item.reason ? `${state}: ${item.reason}` : item.armed ? `${item.help} (${item.armed.state}, waits for: ${item.armed.when})` : item.help} onClick={() => go({ open: place.value.open === item.name ? "" : item.name })}>
    <Name text={item.name} cut={40} />{rate !== undefined && rate > 0 && <span class="rate">{perSecond(rate)}</span>}{loses && <span role="img" aria-label="losing events" title="losing events">⚠</span>}
    <span class="hidden-text">{state}</span>
  </button>;
}

const BY_STATE: Record<string, number> = { on: 0, asleep: 1, off: 2, skipped: 3 };
function Box({ id, area }: { id: Part; area?: string }) {
  const { title, what } = LAYERS[id], here = items.value.filter((item) => partOf(item) === id);
  here.sort((a, b) => BY_STATE[stateOf(a)]! - BY_STATE[stateOf(b)]! || (a.name < b.name ? -1 : 1));
  return <section class={`layer ${id}${id === "apps" || id === "libraries" ? " user" : ""}${id === "others" || id === "interrupts" ? "" : " wired"}`} style={{ gridArea: area ?? id }} aria-label={title}>
    <h3><span>{title}</span><span class="faint">{what}</span></h3>
    <div class="hooks">{here.map((item) => <Hook key={item.name} item={item} />)}{here.length === 0 && <span class="faint none">no item looks here</span>}</div>
  </section>;
}

const Draw = ({ children }: { children: ComponentChildren }) => <svg viewBox="0 0 48 32" width="48" height="32" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.3">{children}</svg>;
const level = (share: number, whole: number) => Math.max(0, Math.min(1, share)) * whole;
const Cpu = ({ use }: { use: number }) => <Draw>
  <rect x="13" y="5" width="22" height="22" rx="2" /><rect x="17" y="9" width="14" height="14" /><rect x="17" y={23 - level(use, 14)} width="14" height={level(use, 14)} class="filled" stroke="none" />
  {[9, 13, 19, 23].map((y) => <path key={y} d={`M9 ${y}h4M35 ${y}h4`} />)}{[17, 21, 27, 31].map((x) => <path key={x} d={`M${x} 1v4M${x} 27v4`} />)}</Draw>;
const Dram = ({ use }: { use: number }) => <Draw>
  <path d="M4 8h40v14h-3v3h-3v-3h-28v3h-3v-3h-3z" />{[8, 16, 24, 32].map((x, at) => <g key={x}><rect x={x} y="11" width="6" height="8" />{use * 4 > at && <rect x={x} y={19 - level(use * 4 - at, 8)} width="6" height={level(use * 4 - at, 8)} class="filled" stroke="none" />}</g>)}</Draw>;
const Disk = () => <Draw><ellipse cx="24" cy="8" rx="13" ry="4" /><path d="M11 8v16c0 2.2 5.8 4 13 4s13-1.8 13-4v-16M11 16c0 2.2 5.8 4 13 4s13-1.8 13-4" /></Draw>;
const Port = () => <Draw><rect x="10" y="5" width="28" height="22" rx="2" /><path d="M16 22v-7h4v-4h8v4h4v7z" /><path d="M20 22v-3M24 22v-3M28 22v-3" /></Draw>;

function Device({ name, draws, figures }: { name: string; draws: ComponentChildren; figures: [string, string][] }) {
  return <div class="device">{draws}<div><h3>{name}</h3>{figures.map(([what, value]) => <p key={what}><span class="value">{value}</span> <span class="faint">{what}</span></p>)}</div></div>;
}

const last = (values?: (number | null)[]) => values?.findLast((value) => value !== null) ?? undefined;

/** The devices, with what they do. */
function Devices() {
  const { from, to } = window(), step = stepFor(from, to, 30), over = `[${rateWindow(step)}s]`;
  const asked = useAsk(`devices ${rangeKey()}`, async (stop) => {
    const queries = [HOST.cpu(over), HOST.memory(), HOST.disks(over), HOST.nics(over)].map((query) => grid(query, from, to, step, stop));
    const [cpu, memory, disks, nics] = await Promise.all(queries);
    const by = (of: typeof cpu, label: string, value: string) => last(of?.series.find((one) => one.labels[label] === value)?.values);
    return { cpu: last(cpu?.series[0]?.values), memory: last(memory?.series[0]?.values), read: by(disks, "op", "read"), written: by(disks, "op", "write"), received: by(nics, "direction", "inbound"), sent: by(nics, "direction", "outbound") };
  });
  const now = asked.data;
  return <>
    <div style={{ gridArea: "disk" }}><Device name="Disks" draws={<Disk />} figures={[["read", bytesRate(now?.read)], ["written", bytesRate(now?.written)]]} /></div>
    <div style={{ gridArea: "nic" }}><Device name="Network cards" draws={<Port />} figures={[["received", bytesRate(now?.received)], ["sent", bytesRate(now?.sent)]]} /></div>
    <div style={{ gridArea: "cpu" }}><Device name="Processors" draws={<Cpu use={now?.cpu ?? 0} />} figures={[["busy", percent(now?.cpu)]]} /></div>
    <div style={{ gridArea: "dram" }}><Device name="Memory" draws={<Dram use={now?.memory ?? 0} />} figures={[["in use", percent(now?.memory)]]} /></div>
  </>;
}

export function Machine() {
  const others = items.value.some((item) => partOf(item) === "others");
  return <div class={`machine${others ? " with-others" : ""}`}>
    <Box id="apps" /><Box id="libraries" />
    <div class="wires" style={{ gridArea: "border" }}><span>programs above, kernel below</span></div>
    <Box id="syscalls" /><Box id="files" /><Box id="network" /><Box id="sched" /><Box id="memory" /><Box id="block" /><Box id="interfaces" /><Box id="interrupts" />
    <div class="wires" style={{ gridArea: "foot" }}><span>devices</span></div>
    <Devices />
    {others && <Box id="others" />}
  </div>;
}
