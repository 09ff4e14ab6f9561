#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""promql_compare - asks a Prometheus and the agent the same questions: PROMETHEUS_URL AGENT_URL QUERIES END.

A line of QUERIES is an expression; one that begins with `~` may differ in the last digits (functions that C and Go
calculate differently: docs/query.md), one that begins with `!` must be refused by both with the same kind of error, one
that begins with `?` may be.
Prints `ok` and `not ok` lines.
"""
import json
import math
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

prometheus, agent, queries, end = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
failed = 0
sorts = False


def ask(base, path, params, post=False):
    form = urllib.parse.urlencode(params, doseq=True)
    request = (urllib.request.Request(base + path, form.encode()) if post
               else urllib.request.Request(base + path + "?" + form))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            try:
                return answer.status, json.loads(text)
            except ValueError as error:
                return answer.status, {"status": f"no JSON ({error}): {text[:200]}"}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def close(a, b, loose):
    if a == b:
        return True
    x, y = float(a), float(b)
    if x == y == 0 and sorts:  # which of two equal zeros comes first is the sorting's affair
        return True
    if math.isnan(x) and math.isnan(y):
        return True
    # the same double, spelled alike: the text must be the same. Loose: a few units in the last place
    return loose and abs(x - y) <= (1e-9 if loose == "spread" else 1e-13) * max(abs(x), abs(y))


def key(series):
    return json.dumps(series["metric"], sort_keys=True)


def points(series):
    return series["values"] if "values" in series else [series["value"]]


def differs(a, b, loose, ordered):
    if a["resultType"] != b["resultType"]:
        return f"types {a['resultType']} and {b['resultType']}"
    x, y = a["result"], b["result"]
    if a["resultType"] in ("scalar", "string"):
        return None if x[0] == y[0] and (x[1] == y[1] or close(x[1], y[1], loose)) else f"{x} and {y}"
    if len(x) != len(y):
        return f"{len(x)} series and {len(y)}: {[key(s) for s in x][:3]} and {[key(s) for s in y][:3]}"
    if not ordered:
        x, y = sorted(x, key=key), sorted(y, key=key)
    for s, t in zip(x, y):
        if key(s) != key(t):
            return f"series {key(s)} and {key(t)}"
        p, q = points(s), points(t)
        if len(p) != len(q):
            return f"{key(s)}: {len(p)} points and {len(q)}; {p[:2]} and {q[:2]}"
        for (t1, v1), (t2, v2) in zip(p, q):
            if t1 != t2 or not close(v1, v2, loose):
                return f"{key(s)}: {t1} {v1} and {t2} {v2}"
    return None


def same_but_for_ties(expression, a, b):
    """Of equal values topk and bottomk may choose either: the values must be the same at each time, not whose they are."""
    if not re.match(r"[~!?]?(?:topk|bottomk)\(", expression):
        return False
    chosen = [Counter((t, v, s["metric"].get("job")) for s in data["result"] for t, v in points(s)) for data in (a, b)]
    return chosen[0] == chosen[1]


def judge(name, expression, path, params, post):
    global failed, sorts
    sorts = "quantile" in expression
    loose, refused, any_ = (expression.startswith(mark) for mark in "~!?")
    # over a range, what comes out of an operator stands in the order of a Go map, another one each time: the last digits of what is
    # added up then (and more of a spread, which is the difference of large numbers) are nobody's
    if any_ and re.search(r"\b(?:sum|avg|stddev|stdvar)\b", expression):
        loose = "spread" if "std" in expression else True
    params = {**params, "query": expression[expression[0] in "~!?":]}
    s1, a = ask(prometheus, path, params)
    s2, b = ask(agent, path, params, post)
    if (s1 != s2 or a["status"] != b["status"]) and not (any_ and s2 == 422 and "the query needs more than" in b["error"]):
        why = f"{s1} {a.get('error', '')} and {s2} {str(b)[:200]}"
    elif refused:
        why = None if a["status"] == "error" and a["errorType"] == b["errorType"] else "not refused alike"
    elif a["status"] == "error" and "for range query" in b["error"]:
        why = None
    elif any_ and s2 == 422 and "the query needs more than" in b["error"]:
        why = None  # a limit of ours, told
    elif a["status"] == "error" and any_:
        why = None if a["errorType"] == b["errorType"] else f"{a['errorType']} and {b['errorType']}: {a['error']} | {b['error']}"
    elif a["status"] == "error":
        why = f"both refuse it: {a['error']} | {b['error']}"
    else:
        ordered = "sort" in expression and path.endswith("query") and not any_
        why = differs(a["data"], b["data"], loose, ordered)
        if why and same_but_for_ties(expression, a["data"], b["data"]):
            why = None
    if why:
        failed += 1
        print(f"not ok {name}: {expression}: {why}")
    else:
        print(f"ok {name}: {expression}")


number = 0
for line in open(queries):
    line = line.strip()
    if not line or line.startswith("#"):
        continue
    number += 1
    judge("instant", line, "/api/v1/query", {"time": end - 1800.5}, number % 2)
    if not (line.endswith("]") or line.startswith('"')):
        for start, stop, step in ((end - 7200 - 120, end, 60), (end - 5000.25, end - 1200, 7.5)):
            judge(f"range of {step} s", line, "/api/v1/query_range", {"start": start, "end": stop, "step": step}, number % 2 == 0)
for path, params in (
    ("/api/v1/labels", {"start": end - 7200, "end": end}),
    ("/api/v1/labels", {"match[]": ["temperature", 'http_requests_total{code="500"}'], "start": end - 7200, "end": end}),
    ("/api/v1/label/job/values", {"start": end - 7200, "end": end}),
    ("/api/v1/label/__name__/values", {"start": end - 7200, "end": end}),
    ("/api/v1/label/code/values", {"match[]": 'http_requests_total{job=~"a.+"}', "start": end - 7200, "end": end}),
    ("/api/v1/label/nothing/values", {"start": end - 7200, "end": end}),
    ("/api/v1/series", {"match[]": ['{__name__=~"temp.*"}', "steady"], "start": end - 7200, "end": end}),
    ("/api/v1/series", {"match[]": ['latency_seconds_bucket{path=~".*odd.*"}'], "start": end - 7200, "end": end}),
    ("/api/v1/series", {"match[]": ["nothing"], "start": end - 7200, "end": end}),
    ("/api/v1/series", {}),
    ("/api/v1/series", {"match[]": ["sum(x)"]}),
    ("/api/v1/query", {"query": "1", "time": "yesterday"}),
    ("/api/v1/query_range", {"query": "1", "start": 0, "end": 100000, "step": 1}),
    ("/api/v1/query_range", {"query": "1", "start": 100, "end": 10, "step": 1}),
    ("/api/v1/query_range", {"query": "1", "start": 0, "end": 10, "step": 0}),
    ("/api/v1/query_range", {"query": "1", "start": 0, "end": 10, "step": "x"}),
    ("/api/v1/query", {"query": "1", "time": "2026-11-21T10:00:00.5Z"}),
    ("/api/v1/query_range", {"query": "time()", "start": "2026-11-21T10:00:00Z", "end": "2026-11-21T10:01:00+00:00", "step": "15s"}),
    ("/api/v1/nothing", {}),
):
    s1, a = ask(prometheus, path, params) if path != "/api/v1/nothing" else (404, {"status": "error", "errorType": "not_found"})
    s2, b = ask(agent, path, params)
    same = s1 == s2 and a["status"] == b["status"] and a.get("errorType") == b.get("errorType", a.get("errorType"))
    if same and a["status"] == "success":
        one, other = a["data"], b["data"]
        if isinstance(one, list) and one and isinstance(one[0], dict):
            one, other = (sorted(json.dumps(x, sort_keys=True) for x in d) for d in (one, other))
        same = one == other
    if same:
        print(f"ok {path} {params}")
    else:
        failed += 1
        print(f"not ok {path} {params}: {s1} {json.dumps(a)[:300]} and {s2} {json.dumps(b)[:300]}")
sys.exit(1 if failed else 0)
