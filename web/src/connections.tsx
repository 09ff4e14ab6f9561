// SPDX-License-Identifier: GPL-2.0-only
// connections - how many there are and in which state, and each one that ended: how long, how much, how well.
import { grid, items, rangeKey, rateWindow, stepFor, useAsk, window } from "./api";
import { GridChart } from "./chart";
import type { Row } from "./filter";
import { Name, When } from "./parts";
import { addressOf } from "./place";
import { Records, recordTime } from "./records";
import { filterForMetrics, selector } from "./red";
import type { TableColumn } from "./table";
import { bytes, count, duration } from "./units";

const number = (row: Row, name: string) => typeof row[name] === "number" ? row[name] as number : undefined;
const address = (row: Row, end: string) => `${row[`${end}_addr`] ?? "-"}:${row[`${end}_port`] ?? ""}`.replace(/^(.*:.*):(\d*)$/, (_, host: string, port: string) => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
const other = (row: Row) => String(row.remote_name ?? "");

const COLUMNS: TableColumn<Row>[] = [
  { name: "time", title: "ended", width: 112, value: recordTime, cell: (row) => <span class="mono"><When ms={recordTime(row)} digits={3} /></span>, phone: "subside" },
  { name: "process", width: "12%", value: (row) => String(row.process ?? ""), cell: (row) => <Name text={row.process ?? "-"} />, phone: "main" },
  { name: "side", width: 64, value: (row) => String(row.side ?? ""), cell: (row) => <span class="dim">{String(row.side ?? "-")}</span>, phone: "sub" },
  { name: "local", width: "16%", value: (row) => address(row, "local"), cell: (row) => <span class="mono">{address(row, "local")}</span> },
  { name: "remote", title: "other end", width: "20%", value: (row) => other(row) || address(row, "remote"), cell: (row) => <><span class="mono">{address(row, "remote")}</span> <span class="dim"><Name text={other(row)} /></span></>, phone: "sub" },
  { name: "duration", numeric: true, value: (row) => number(row, "duration_ns"), cell: (row) => duration(number(row, "duration_ns")), phone: "side" },
  { name: "sent", numeric: true, value: (row) => number(row, "sent_bytes"), cell: (row) => bytes(number(row, "sent_bytes")) },
  { name: "received", numeric: true, value: (row) => number(row, "received_bytes"), cell: (row) => bytes(number(row, "received_bytes")) },
  { name: "rtt", title: "round trip", numeric: true, value: (row) => number(row, "rtt_ns"), cell: (row) => duration(number(row, "rtt_ns")) },
  { name: "retransmits", title: "retransmits", numeric: true, value: (row) => number(row, "retransmits"), cell: (row) => <span class={row.retransmits ? "bad" : "faint"}>{count(number(row, "retransmits"))}</span> },
  { name: "why", title: "ended by", width: 124, value: (row) => String(row.close_reason ?? ""), cell: (row) => <span class={/reset|timeout|fail/.test(String(row.close_reason)) ? "bad" : "dim"}>{String(row.close_reason ?? "-")}</span> },
];

function Charts() {
  const { from, to } = window(), step = stepFor(from, to, 90), over = `[${rateWindow(step)}s]`, filtered = filterForMetrics(["process", "container", "pod", "namespace", "service"]), at = selector(filtered.matchers);
  const key = `${rangeKey()} ${filtered.matchers}`;
  const states = useAsk(`states ${key}`, (stop) => grid(`sum by (state) (sonde_tcp_connections${at})`, from, to, step, stop));
  const opened = useAsk(`opened ${key}`, (stop) => grid(`sum by (direction) (rate(sonde_tcp_opened_total${at}${over}))`, from, to, step, stop));
  const bad = useAsk(`bad ${key}`, (stop) => grid(`label_replace(sum(rate(sonde_tcp_resets_total${at}${over})), "what", "resets", "", "") or label_replace(sum(rate(sonde_tcp_connect_failures_total${at}${over})), "what", "failed connects", "", "")`, from, to, step, stop));
  return <div class="charts wide-only" style={{ padding: "16px 16px 8px", borderBottom: "1px solid var(--line)", flex: "none" }}>
    <GridChart title="Connections by state" asked={states} name={(labels) => labels.state ?? ""} format={count} height={96} />
    <GridChart title="Opened" unit="a second" asked={opened} name={(labels) => labels.direction ?? ""} format={count} height={96} />
    <GridChart title="Resets and failures" unit="a second" asked={bad} name={(labels) => labels.what ?? ""} format={count} height={96} />
  </div>;
}

export function Connections() {
  const there = items.value.some((item) => item.name === "tcp_life") || !items.value.length;
  return <Records items={there ? ["tcp_life"] : []} label="connections" columns={COLUMNS} head={<Charts />} empty="No connection ended in this range." title={(row) => <><Name text={row.process ?? "-"} /> <span class="dim">to</span> <Name text={other(row) || address(row, "remote")} /></>}
    fails={(row) => /reset|timeout|fail/.test(String(row.close_reason))}
    detail={(row) => <p><a href={addressOf({ view: "requests", filter: `connection = ${row.connection}` })}>its requests</a></p>} />;
}
