#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""grafana_dashboards.py FOLDER - writes deploy/grafana/*.json.

A dashboard is a list of rows of panels; a panel is a title, a unit and PromQL by legend. Everything else of Grafana's JSON (9 and later) follows. The files are
made here and kept: tests/system/grafana.sh asks every panel of a Prometheus that scraped an agent, and of the agent itself.
"""
import json
import sys

SOURCE = {"type": "prometheus", "uid": "${source}"}
WHO = "namespace, pod, service, container, process"
HOST = 'instance=~"$instance"'


def variables(*more):
    source = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0}
    instance = {"name": "instance", "label": "Host", "type": "query", "datasource": SOURCE, "refresh": 2, "includeAll": True, "multi": True,
                "allValue": ".*", "current": {"text": "All", "value": "$__all"},
                "query": {"query": "label_values(sonde_build_info, instance)", "refId": "A"}}
    return [source, instance, *more]


def query_variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"}, "query": {"query": query, "refId": "A"}}


def panel(title, unit, queries, kind="timeseries", width=8, height=7, stacked=False, help=None):
    """queries: {legend: PromQL}; a legend may name labels: {{process}}."""
    made = {
        "type": kind, "title": title, "datasource": SOURCE, "gridPos": {"w": width, "h": height},
        "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend,
                     **({"instant": True, "range": False, "format": "table"} if kind == "table" else {}),
                     **({"format": "heatmap"} if kind == "heatmap" else {})}
                    for i, (legend, expr) in enumerate(queries.items())],
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}}, "overrides": []},
        "options": {},
    }
    if help:
        made["description"] = help
    if stacked:
        made["fieldConfig"]["defaults"]["custom"].update(stacking={"mode": "normal"}, fillOpacity=40)
    if kind == "timeseries":
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}
    if kind == "heatmap":
        made["options"] = {"calculate": False, "yAxis": {"unit": unit}, "color": {"scheme": "Blues", "mode": "scheme"}}
    return made


def dashboard(uid, title, help, rows, more=()):
    panels, y = [], 0
    for name, row in rows:
        panels.append({"type": "row", "title": name, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        y, x = y + 1, 0
        for one in row:
            if x + one["gridPos"]["w"] > 24:
                x, y = 0, y + row[0]["gridPos"]["h"]
            one["gridPos"].update(x=x, y=y)
            x += one["gridPos"]["w"]
            panels.append(one)
        y += row[0]["gridPos"]["h"]
    for i, one in enumerate(panels):
        one["id"] = i + 1
    return {"uid": uid, "title": title, "description": help, "tags": ["sonde"], "schemaVersion": 37, "version": 1, "editable": True, "graphTooltip": 1,
            "refresh": "15s", "time": {"from": "now-30m", "to": "now"}, "timezone": "browser", "panels": panels,
            "templating": {"list": variables(*more)}, "annotations": {"list": []},
            "links": [{"type": "dashboards", "tags": ["sonde"], "asDropdown": True, "title": "sonde", "includeVars": True, "keepTime": True}]}


def hosts():
    rate = lambda name, labels="": f"rate({name}{{{HOST}{', ' + labels if labels else ''}}}[$__rate_interval])"
    return dashboard("sonde-hosts", "sonde: hosts", "CPU, memory, disks, network and pressure of each host, and who uses them", [
        ("CPU", [
            panel("CPU by mode", "percentunit", {"{{instance}} {{mode}}": "sum by (instance, mode) (" + rate("sonde_cpu_host_seconds_total", 'mode!="idle"') + ") / on (instance) group_left count by (instance) (sonde_cpu_host_seconds_total{" + HOST + ', mode="idle"})'}, stacked=True),
            panel("Processes by CPU time", "short", {"{{process}}": "topk(10, sum by (instance, process) (" + rate("sonde_cpu_seconds_total") + "))"}, help="CPUs that all processes of a name use"),
            panel("Wait for a CPU, 99th percentile", "s", {"{{process}}": "topk(8, histogram_quantile(0.99, sum by (le, process) (" + rate("sonde_runqlat_seconds_bucket") + ")))"}, help="time from runnable to running"),
            panel("Load and runnable threads", "short", {"{{instance}} load {{window}}": f"sonde_cpu_load{{{HOST}}}", "{{instance}} runnable": f"sonde_cpu_runnable{{{HOST}}}"}),
            panel("CPU pressure", "percentunit", {"{{instance}} {{kind}}": rate("sonde_cpu_pressure_seconds_total")}, help="share of time in which somebody waited for a CPU"),
            panel("Context switches", "ops", {"{{instance}}": rate("sonde_cpu_host_context_switches_total")}),
        ]),
        ("Memory", [
            panel("Memory", "bytes", {"{{instance}} total": f'sonde_mem_host_bytes{{{HOST}, kind="total"}}', "{{instance}} available": f'sonde_mem_host_bytes{{{HOST}, kind="available"}}', "{{instance}} free": f'sonde_mem_host_bytes{{{HOST}, kind="free"}}'}),
            panel("Processes by resident memory", "bytes", {"{{process}}": f"topk(10, sum by (instance, process) (sonde_mem_resident_bytes{{{HOST}}}))"}),
            panel("Memory pressure", "percentunit", {"{{instance}} {{kind}}": rate("sonde_mem_pressure_seconds_total")}),
            panel("Page faults", "ops", {"{{instance}} {{kind}}": rate("sonde_mem_host_page_faults_total")}),
            panel("Swap", "Bps", {"{{instance}} {{direction}}": rate("sonde_mem_swapped_bytes_total")}),
            panel("OOM kills in an hour", "short", {"{{instance}}": f"increase(sonde_mem_oom_kills_total{{{HOST}}}[1h])"}),
        ]),
        ("Disks", [
            panel("Throughput", "Bps", {"{{device}} {{op}}": rate("sonde_disk_bytes_total")}),
            panel("Requests", "iops", {"{{device}} {{op}}": rate("sonde_disk_operations_total")}),
            panel("Busy", "percentunit", {"{{device}}": rate("sonde_disk_busy_seconds_total")}),
            panel("Service time, 99th percentile", "s", {"{{device}} {{op}}": "histogram_quantile(0.99, sum by (le, instance, device, op) (" + rate("sonde_disk_service_seconds_bucket") + "))"}),
            panel("Space left", "percentunit", {"{{mount}}": f"sonde_disk_filesystem_available_bytes{{{HOST}}} / sonde_disk_filesystem_size_bytes{{{HOST}}}"}),
            panel("I/O pressure", "percentunit", {"{{instance}} {{kind}}": rate("sonde_disk_pressure_seconds_total")}),
        ]),
        ("Network and files", [
            panel("Interfaces", "Bps", {"{{interface}} {{direction}}": rate("sonde_nic_bytes_total")}),
            panel("Errors and drops", "pps", {"{{interface}} {{direction}} errors": rate("sonde_nic_errors_total"), "{{interface}} {{direction}} drops": rate("sonde_nic_drops_total")}),
            panel("Open files", "short", {"{{process}}": f"topk(10, sum by (instance, process) (sonde_files_open{{{HOST}}}))"}),
        ]),
    ])


def services():
    labels = HOST + ', side="server", process=~"$process"'
    rate = lambda name, more="": f"rate({name}{{{labels}{', ' + more if more else ''}}}[$__rate_interval])"
    by = WHO + ", protocol"
    return dashboard("sonde-services", "sonde: services", "Rate, errors and duration of what services are asked, and where the time goes", [
        ("Rate, errors, duration", [
            panel("Requests", "reqps", {"{{service}}{{process}} {{protocol}}": f"sum by ({by}) (" + rate("sonde_request_duration_seconds_count") + ")"}),
            panel("Errors", "reqps", {"{{service}}{{process}} {{protocol}} {{status}}": f"sum by ({by}, status) (" + rate("sonde_request_errors_total") + ")"}, help="nothing here means that nothing failed"),
            panel("Share of errors", "percentunit", {"{{service}}{{process}} {{protocol}}": f"sum by ({by}) (" + rate("sonde_request_errors_total") + f") / sum by ({by}) (" + rate("sonde_request_duration_seconds_count") + ")"}),
            panel("Duration, median", "s", {"{{service}}{{process}} {{protocol}}": f"histogram_quantile(0.5, sum by (le, {by}) (" + rate("sonde_request_duration_seconds_bucket") + "))"}),
            panel("Duration, 99th percentile", "s", {"{{service}}{{process}} {{protocol}}": f"histogram_quantile(0.99, sum by (le, {by}) (" + rate("sonde_request_duration_seconds_bucket") + "))"}),
            panel("Duration", "s", {"{{le}}": "sum by (le) (" + rate("sonde_request_duration_seconds_bucket") + ")"}, kind="heatmap"),
        ]),
        ("Where the time goes", [
            panel("Mean of each phase at the server", "s", {"{{service}}{{process}} {{phase}}": f"sum by ({WHO}, phase) (" + rate("sonde_request_phase_seconds_sum") + f") / sum by ({WHO}, phase) (" + rate("sonde_request_phase_seconds_count") + ")"}, width=12, stacked=True),
            panel("Queue time, 99th percentile", "s", {"{{service}}{{process}}": f"histogram_quantile(0.99, sum by (le, {WHO}) (" + rate("sonde_request_phase_seconds_bucket", 'phase="queue"') + "))"}, width=12, help="time between the arrival of a request and its being read"),
        ]),
        ("Operations", [
            panel("Operations by rate", "reqps", {"": "topk(20, sum by (process, protocol, operation, resource) (" + rate("sonde_request_duration_seconds_count") + "))"}, kind="table", width=12, height=10),
            panel("Operations by mean duration", "s", {"": "topk(20, sum by (process, protocol, operation, resource) (" + rate("sonde_request_duration_seconds_sum") + ") / sum by (process, protocol, operation, resource) (" + rate("sonde_request_duration_seconds_count") + "))"}, kind="table", width=12, height=10),
        ]),
        ("Who asks whom", [
            panel("Edges by rate", "reqps", {"": f"topk(30, sum by (client, server, protocol) (rate(sonde_edge_requests_total{{{HOST}}}[$__rate_interval])))"}, kind="table", width=12, height=10),
            panel("Bytes", "Bps", {"{{service}}{{process}} {{direction}}": f"sum by ({WHO}, direction) (" + rate("sonde_request_bytes_total") + ")"}, width=12, height=10),
        ]),
    ], [query_variable("process", "Process", 'label_values(sonde_request_duration_seconds_count{instance=~"$instance", side="server"}, process)')])


def tcp():
    rate = lambda name, more="": f"rate({name}{{{HOST}{', ' + more if more else ''}}}[$__rate_interval])"
    return dashboard("sonde-tcp", "sonde: TCP", "Connections by state, opened, closed, reset and failed", [
        ("Connections", [
            panel("By state", "short", {"{{state}}": f"sum by (instance, state) (sonde_tcp_connections{{{HOST}}})"}, width=12, stacked=True),
            panel("Established, by process", "short", {"{{process}} {{direction}}": f'topk(12, sum by ({WHO}, direction) (sonde_tcp_connections{{{HOST}, state="established"}}))'}, width=12),
        ]),
        ("Coming and going", [
            panel("Opened", "cps", {"{{process}} {{direction}}": f"topk(12, sum by ({WHO}, direction) (" + rate("sonde_tcp_opened_total") + "))"}),
            panel("Closed by us", "cps", {"{{process}} {{direction}}": f"topk(12, sum by ({WHO}, direction) (" + rate("sonde_tcp_closed_total") + "))"}),
            panel("Resets", "cps", {"{{process}} {{direction}}": f"topk(12, sum by ({WHO}, direction) (" + rate("sonde_tcp_resets_total") + "))"}),
        ]),
        ("Trouble", [
            panel("Connects that failed", "cps", {"{{process}} {{errno}}": f"sum by ({WHO}, errno) (" + rate("sonde_tcp_connect_failures_total") + ")"}, width=12),
            panel("Packets dropped at interfaces", "pps", {"{{interface}} {{direction}}": rate("sonde_nic_drops_total")}, width=12),
        ]),
    ])


def itself():
    rate = lambda name, more="": f"rate({name}{{{HOST}{', ' + more if more else ''}}}[$__rate_interval])"
    return dashboard("sonde-itself", "sonde: items and cost", "What the agent costs, loses and keeps", [
        ("Cost", [
            panel("CPU", "percentunit", {"{{instance}} {{process}}": rate("sonde_process_cpu_seconds_total")}),
            panel("CPU of BPF programs, by item", "percentunit", {"{{item}}": "sum by (instance, item) (" + rate("sonde_item_program_seconds_total") + ")"}, help="sampled: one second in sixty"),
            panel("Memory", "bytes", {"{{instance}} {{room}}": f"sonde_memory_bytes{{{HOST}}}"}),
        ]),
        ("Items", [
            panel("On", "short", {"": f"sonde_item_on{{{HOST}}}"}, kind="table"),
            panel("Events read", "ops", {"{{item}}": "sum by (instance, item) (" + rate("sonde_item_events_total", 'stage="read"') + ")"}),
            panel("Events lost", "ops", {"{{item}} {{reason}}": "sum by (instance, item, reason) (" + rate("sonde_item_events_total", 'stage="lost"') + ") or vector(0)"}),
            panel("Series", "short", {"{{item}}": f"sonde_item_series{{{HOST}}}"}),
            panel("Tables: share in use", "percentunit", {"{{table}}": f"sonde_table_entries{{{HOST}}} / sonde_table_limit{{{HOST}}}"}),
            panel("API", "reqps", {"{{path}} {{status}}": "sum by (instance, path, status) (" + rate("sonde_api_requests_total") + ")"}),
        ]),
        ("History and alerts", [
            panel("Size", "bytes", {"{{table}}": f"sonde_store_bytes{{{HOST}}}"}),
            panel("Taken", "ops", {"{{what}} {{stage}}": "sum by (instance, what, stage) (" + rate("sonde_store_events_total") + ")"}),
            panel("Alerts", "short", {"{{instance}} {{state}}": f"sonde_alerts{{{HOST}}}"}),
        ]),
    ])


def main():
    for name, made in (("hosts", hosts()), ("services", services()), ("tcp", tcp()), ("itself", itself())):
        with open(f"{sys.argv[1]}/sonde-{name}.json", "w", encoding="utf-8") as file:
            json.dump(made, file, indent=1, sort_keys=True)
            file.write("\n")


main()
