#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""promql_random - expressions that nobody thought of, for promql_compare.py: SEED COUNT -> a line each, with `?` before it.

Grown from the grammar over the series of promql_samples.py, three levels deep. Left out is only what two right answers may differ in:
topk of equal values, functions that C and Go calculate differently in the last digit, the calendar of NaN (whatever the processor makes of it), and predict_linear with @ (docs/query.md).
"""
import random
import sys

rng = random.Random(int(sys.argv[1]))
LABELS = {
    "http_requests_total": {"job": ["api", "web", "db"], "instance": ["host0:80", "host3:80"], "code": ["200", "404", "500"]},
    "cpu_seconds_total": {"cpu": ["0", "3"], "mode": ["idle", "user", "system"]},
    "memory_bytes": {"job": ["api", "web"], "instance": ["host1:80", "host2:80"], "kind": ["used", "free"]},
    "temperature": {"sensor": ["a", "b", "odd"]},
    "build_info": {"job": ["api", "db"], "instance": ["host0:80"], "version": ["1.0", "1.1"]},
    "latency_seconds_bucket": {"job": ["api", "web"], "path": ["/", "/login"], "le": ["0.05", "1.0", "+Inf"]},
    "latency_seconds_count": {"job": ["api", "web"], "path": ["/", "/login"]},
    "short_lived": {"n": ["0", "2", "4"]},
    "steady": {"l": ["x"]},
}
COUNTERS = ["http_requests_total", "cpu_seconds_total", "latency_seconds_bucket", "latency_seconds_count"]
RANGES = ["45s", "1m", "95s", "5m", "11m30s"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
pick = rng.choice


def matchers(name):
    found = []
    for label, values in LABELS[name].items():
        if rng.random() < 0.3:
            kind = pick(["=", "!=", "=~", "!~"])
            value = pick(values)
            if "~" in kind:
                value = pick([value.replace("+", "."), "|".join(values).replace("+", "."), value[:1].replace("+", ".") + ".*", ".+", ""])
            found.append(f'{label}{kind}"{value}"')
    return "{" + ",".join(found) + "}" if found else ""


def moved():
    return pick([""] * 6 + [" offset 4m", " offset -2m", " @ end()", " @ start() offset 1m"])


def selector(name=None):
    name = name or pick(list(LABELS))
    return f"{name}{matchers(name)}{moved()}"


def window(name=None):
    name = name or pick(list(LABELS))
    if rng.random() < 0.12:
        return f"({vector(1)})[{pick(['5m', '10m'])}:{pick(['30s', '1m', '77s'])}]"
    return f"{name}{matchers(name)}[{pick(RANGES)}]{moved()}"


def over_time():
    if rng.random() < 0.5:
        return f"{pick(['rate', 'increase', 'irate', 'resets', 'changes'])}({window(pick(COUNTERS))})"
    if rng.random() < 0.2:
        return f"quantile_over_time({pick(['0', '0.25', '0.5', '0.9', '1', '1.1'])}, {window()})"
    function = pick("avg sum min max count last present stddev stdvar".split())
    if rng.random() < 0.35:
        return f"{pick(['delta', 'idelta', 'deriv', 'changes', 'resets'])}({window()})"
    return f"{function}_over_time({window()})"


def grouping():
    labels = ", ".join(rng.sample(["job", "instance", "code", "mode", "cpu", "kind", "path", "sensor", "nothing"], rng.randint(0, 3)))
    return pick(["", f" {pick(['by', 'without'])} ({labels})", f" {pick(['by', 'without'])} ({labels})"])


def aggregated(depth):
    if rng.random() < 0.1:
        return f"quantile{grouping()} ({pick(['0.1', '0.5', '0.99'])}, {vector(depth - 1)})"
    if rng.random() < 0.08:
        return f'count_values{grouping()} ("value", round({vector(depth - 1)}))'
    return f"{pick(AGGREGATIONS)}{grouping()} ({vector(depth - 1)})"


def matching(many):
    on = pick(["", " on (job)", " on (job, instance)", " ignoring (code)", " ignoring (kind, code, version)"])
    return on + (pick([" group_left", " group_right"]) if many and on else "")


def binary(depth):
    operator = pick(["+", "-", "*", "/", "%", "==", "!=", ">", "<=", "> bool", "< bool", "and", "or", "unless"])
    left = vector(depth - 1)
    if operator in ("and", "or", "unless"):
        return f"({left}) {operator}{pick(['', ' on (job)', ' ignoring (code)'])} ({vector(depth - 1)})"
    if rng.random() < 0.4:
        return f"({left}) {operator} {pick(['2', '0', '1e9', '-0.5', 'time() % 100'])}"
    if rng.random() < 0.5:
        return f"sum by (job) ({left}) {operator} sum by (job) ({vector(depth - 1)})"
    return f"({left}) {operator}{matching(True)} ({vector(depth - 1)})"


def called(depth):
    inner = vector(depth - 1)
    return pick([
        f"abs({inner})", f"ceil({inner})", f"floor({inner})", f"round({inner}, {pick(['0.5', '10', '3'])})", f"clamp({inner}, {pick(['-1', '5'])}, 1e6)", f"clamp_min({inner}, 3)",
        f"sqrt({inner})", f"sgn({inner})", f"timestamp({inner})", f"absent({inner})", f"-({inner})", f"scalar(sum({inner}))", f"sort_desc({inner})",
        f'label_replace({inner}, "new", "$1-x", "{pick(["job", "instance", "mode"])}", "(.).*")', f'label_join({inner}, "joined", "/", "job", "instance")',
        f"histogram_quantile({pick(['0.5', '0.9', '0.99', '0', '1'])}, sum by (le{pick(['', ', job', ', path'])}) (rate(latency_seconds_bucket[{pick(RANGES)}])))",
        f"predict_linear({window('memory_bytes').split(' @')[0]}, 600)", f"holt_winters({window('temperature')}, 0.5, 0.3)"])


def vector(depth=3):
    if depth <= 0 or rng.random() < 0.2:
        return over_time() if rng.random() < 0.45 else selector()
    return pick([aggregated, aggregated, binary, called, lambda _: over_time()])(depth)


for _ in range(int(sys.argv[2])):
    print("?" + vector(rng.randint(1, 3)))
