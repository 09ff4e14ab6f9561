#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""grafana_panels.py PROMETHEUS AGENT FILE... - asks every panel's query, and that of every variable, of both; prints `ok` and `not ok` lines.

An empty answer is a failure: a panel that shows nothing on a machine where everything happens is one that asks for what there is not. Then some
numbers that have come to rest are compared: what was scraped and what the agent kept itself are the same.
"""
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PROMETHEUS, AGENT, FILES = sys.argv[1], sys.argv[2], sys.argv[3:]
PATIENCE_S = 40


def get(base, path, **params):
    try:
        with urllib.request.urlopen(f"{base}{path}?{urllib.parse.urlencode(params)}", timeout=20) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode()) from None


def ask(base, query):
    return get(base, "/api/v1/query", query=query)["result"]


def made_whole(query):
    for name, value in (("$__rate_interval", "20s"), ("$instance", ".*"), ("$process", ".*")):
        query = query.replace(name, value)
    return query


def result_of(base, query):
    """The answer, waited for: counters need a second sample."""
    until = time.time() + PATIENCE_S
    while True:
        try:
            result = ask(base, query)
        except (ValueError, OSError) as error:
            return str(error)
        if result or time.time() > until:
            return result
        time.sleep(0.5)


def say(name, wrong):
    print(f"not ok {name}: {wrong}" if wrong else f"ok {name}")


def check_dashboard(file):
    with open(file, encoding="utf-8") as opened:
        dashboard = json.load(opened)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            values = get(PROMETHEUS, f"/api/v1/label/{label}/values", **{"match[]": made_whole(selector)})
            say(f"{dashboard['title']}: variable {variable['name']}", "" if values else "no values")
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            query = made_whole(target["expr"])
            for name, base in (("Prometheus", PROMETHEUS), ("agent", AGENT)):
                result = result_of(base, query)
                wrong = result if isinstance(result, str) else "" if result else f"empty: {query}"
                if wrong or "$" in query:
                    say(f"{dashboard['title']}, {panel['title']}, {name}", wrong or f"a variable is left: {query}")
        if panel.get("targets"):
            say(f"{dashboard['title']}, {panel['title']}", "")


def compare_at_rest(query):
    """Both come to the same, as soon as both have seen the end."""
    until, seen = time.time() + PATIENCE_S, None
    while time.time() < until:
        seen = [{tuple(sorted((k, v) for k, v in one["metric"].items() if k not in ("instance", "job"))): float(one["value"][1])
                 for one in ask(base, query)} for base in (PROMETHEUS, AGENT)]
        if seen[0] and seen[0] == seen[1]:
            return say(f"at rest, both say the same: {query}", "")
        time.sleep(0.5)
    return say(f"at rest, both say the same: {query}", f"{seen}")


def compare_rate(query, tolerance):
    until, both = time.time() + PATIENCE_S, [0, 1]
    while abs(both[0] - both[1]) > tolerance * max(both) and time.time() < until:  # a scrape that failed is not the agent's
        time.sleep(0.5)
        both = [float(ask(base, query)[0]["value"][1]) for base in (PROMETHEUS, AGENT)]
    wrong = "" if abs(both[0] - both[1]) <= tolerance * max(both) else f"{both} differ by more than {tolerance:.0%}"
    say(f"within {tolerance:.0%}: {query}", wrong)


for name in FILES:
    check_dashboard(name)
compare_at_rest('sum by (process, status) (sonde_request_duration_seconds_count{process="grafanaserver"})')
compare_at_rest('sum by (le) (sonde_request_duration_seconds_bucket{process="grafanaserver"})')
compare_at_rest('sonde_mem_host_bytes{kind="total"}')
compare_at_rest('sum by (process, direction) (sonde_tcp_opened_total{process="grafanaserver"})')
compare_rate("sum(rate(sonde_cpu_host_seconds_total[30s]))", 0.1)
compare_rate("sum(sonde_disk_filesystem_size_bytes)", 0)
