// SPDX-License-Identifier: GPL-2.0-only
// host - the machine as a whole: how its figures are asked for, and the strip of meters that shows them.
import { grid, type Grid, machineWindow, rangeKey, stepFor, useAsk, window } from "./api";
import { Chart } from "./chart";
import { Failed, Skeleton } from "./parts";
import { addressOf } from "./place";
import { bytesRate, percent } from "./units";

export const REAL_DISKS = 'device!~"loop.*|ram.*|dm-.*|md.*|zram.*"';
export const HOST = {
  cpu: (over: string) => `1 - sum(rate(sonde_cpu_host_seconds_total{mode=~"idle|iowait"}${over})) / sum(rate(sonde_cpu_host_seconds_total{mode!~"guest|guest_nice"}${over}))`,
  memory: () => 'sum(1 - sonde_mem_host_bytes{kind="available"} / ignoring(kind) sonde_mem_host_bytes{kind="total"})',
  disk: (over: string) => `sum(rate(sonde_disk_bytes_total{op=~"read|write",${REAL_DISKS}}${over}))`,
  network: (over: string) => `sum(rate(sonde_nic_bytes_total{interface!="lo"}${over}))`,
  disks: (over: string) => `sum by (op) (rate(sonde_disk_bytes_total{op=~"read|write",${REAL_DISKS}}${over}))`,
  nics: (over: string) => `sum by (direction) (rate(sonde_nic_bytes_total{interface!="lo"}${over}))`,
  pressure: (over: string) => ["cpu", "mem", "disk"].map((what) => `label_replace(sum(rate(sonde_${what}_pressure_seconds_total{kind="some"}${over})), "of", "${what}", "", "")`).join(" or "),
};
const PRESSURE_NAMES: Record<string, string> = { cpu: "cpu", mem: "memory", disk: "io" };

function Meter({ what, values, times, format, most, note }: { what: string; values: (number | null)[]; times: number[]; format: (value: number) => string; most?: number; note?: string }) {
  const last = values.findLast((value) => value !== null);
  return <a class="meter" href={addressOf({ view: "processes" })}>
    <div class="what"><span>{what}</span>{note && <span class="faint cut">{note}</span>}</div>
    <div class="value">{last === undefined || last === null ? "-" : format(last)}</div>
    <Chart title={what} bare height={36} most={most} lines={[{ name: what, values }]} times={times} format={format} />
  </a>;
}

export function HostStrip() {
  const { from, to } = window();
  const step = stepFor(from, to, 90), over = `[${machineWindow(step, from)}s]`;
  const host = useAsk(`host ${rangeKey()}`, async (stop) => {
    const [cpu, memory, disk, network, pressure] = await Promise.all([HOST.cpu(over), HOST.memory(), HOST.disk(over), HOST.network(over), HOST.pressure(over)].map((query) => grid(query, from, to, step, stop)));
    return { cpu, memory, disk, network, pressure } as Record<"cpu" | "memory" | "disk" | "network" | "pressure", Grid>;
  });
  if (host.error && !host.data) return <Failed low error={host.error} />;
  if (!host.data) return <Skeleton lines={3} />;
  const of = (what: Grid) => ({ values: what.series[0]?.values ?? [], times: what.times });
  const pressures = host.data.pressure.series;
  const worst = pressures.map((one) => ({ name: PRESSURE_NAMES[one.labels.of!] ?? "", last: one.values.findLast((value) => value !== null) ?? 0, values: one.values })).sort((a, b) => b.last - a.last)[0];
  return <div class="strip">
    <Meter what="cpu" {...of(host.data.cpu)} format={percent} most={1} />
    <Meter what="memory" {...of(host.data.memory)} format={percent} most={1} />
    <Meter what="disk" {...of(host.data.disk)} format={bytesRate} />
    <Meter what="network" {...of(host.data.network)} format={bytesRate} note="without lo" />
    <Meter what={worst ? `pressure: ${worst.name}` : "pressure"} values={worst?.values ?? []} times={host.data.pressure.times} format={percent} most={0.2} note="some waited" />
  </div>;
}
