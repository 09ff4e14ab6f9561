// SPDX-License-Identifier: GPL-2.0-only
// events - what happened, of all items that tell single happenings: programs started and ended, kills, and what was brought in.
import { status } from "./api";
import type { Row } from "./filter";
import { cellText, Name, Skeleton, State, When } from "./parts";
import { addressOf } from "./place";
import { Records, recordTime } from "./records";
import type { TableColumn } from "./table";
import { duration, ofColumn } from "./units";

/** Those with views of their own, and what is no happening. */
const ELSEWHERE = /^(requests|tcp_life|samples.*|sonde.*|alerts)$/;
const HEAD = new Set(["time", "item", "kind", "node", "pid", "tid", "process", "exe", "uid", "container", "container_id", "image", "pod", "namespace", "service", "cgroup", "ppid", "argc", "core"]);

/** One line that says what it was. */
function saysOf(row: Row): string {
  if (row.kind === "exec") return `${row.args ?? row.path ?? ""}${row.errno ? ` (${row.errno})` : ""}`;
  if (row.kind === "exit") return `ended${row.signal ? ` by ${row.signal}` : row.exit_code !== undefined ? ` with ${row.exit_code}` : ""}${typeof row.duration_ns === "number" ? ` after ${duration(row.duration_ns)}` : ""}`;
  if (typeof row.text === "string") return row.text;
  return Object.entries(row).filter(([name, value]) => !HEAD.has(name) && typeof value !== "object").map(([name, value]) => `${name} ${ofColumn(name, value)}`).join(", ");
}
/** A shell tries each folder of PATH: that a program is not there is no news. */
const isBad = (row: Row) => (!!row.errno && row.errno !== "ENOENT") || !!row.signal || (typeof row.exit_code === "number" && row.exit_code !== 0) || /oom|kill/.test(String(row.kind));

const COLUMNS: TableColumn<Row>[] = [
  { name: "time", width: 112, value: recordTime, cell: (row) => <span class="mono"><When ms={recordTime(row)} digits={3} /></span>, phone: "subside" },
  { name: "kind", width: 84, value: (row) => String(row.kind), cell: (row) => <span class="tag">{String(row.kind)}</span>, phone: "side" },
  { name: "process", width: "14%", value: (row) => String(row.process ?? ""), cell: (row) => <Name text={row.process ?? "-"} />, phone: "main" },
  { name: "pid", width: 84, numeric: true, value: (row) => row.pid as number, cell: (row) => <span class="mono">{cellText("pid", row.pid)}</span> },
  { name: "container", width: "12%", optional: true, value: (row) => row.container as string, cell: (row) => <span class="dim"><Name text={row.container ?? "-"} /></span> },
  { name: "what", value: saysOf, cell: (row) => <span class={isBad(row) ? "bad" : row.errno ? "faint" : ""}><Name text={saysOf(row)} cut={300} /></span>, phone: "sub" },
];

export function Events() {
  const tables = status.value?.store?.tables.map((table) => table.name).filter((name) => !ELSEWHERE.test(name)) ?? (status.value ? ["exec"] : undefined);
  if (!tables) return <div class="view full"><Skeleton lines={12} /></div>;
  if (!tables.length) return <div class="view"><State title="Nothing has happened yet."><p>Programs that start and end stand here, and what other items tell one by one.</p></State></div>;
  return <Records items={tables} label="events" columns={COLUMNS} quiet={{ is: (row) => row.errno === "ENOENT", what: "programs looked for and not found" }} empty="Nothing happened in this range." title={(row) => <><span class="tag">{String(row.kind)}</span> <Name text={row.process ?? "-"} cut={60} /></>}
    detail={(row) => <><p style={{ overflowWrap: "anywhere" }}><Name text={saysOf(row)} cut={2000} /></p>{row.pid !== undefined && <p><a href={addressOf({ view: "events", filter: `pid = ${row.pid}` })}>all of this process</a></p>}</>} />;
}
