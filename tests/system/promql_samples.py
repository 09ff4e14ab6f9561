#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""promql_samples - makes samples for tests/system/promql.sh: SEED END_SECONDS -> OpenMetrics text.

Two hours by about 15 seconds: counters that begin anew, gauges with many digits, histograms, series that end and come
back, gaps, infinities and NaN. The seed makes the same text again.
"""
import math
import random
import sys

seed, end = int(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
START, STEPS = end - 7200, 480


def times(jitter=0.0, gap=None):
    for i in range(STEPS + 1):
        t = START + i * 15 + (rng.randint(-int(jitter * 1000), int(jitter * 1000)) / 1000 if jitter else 0)
        if gap and gap[0] <= i < gap[1]:
            continue
        if START <= t <= end:
            yield i, t


def number(x):
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "+Inf" if x > 0 else "-Inf"
    return repr(float(x))


def family(name, kind, series):
    print(f"# TYPE {name} {kind}")
    for labels, points, suffix in series:
        text = ",".join(f'{k}="{v}"' for k, v in labels)
        for t, x in points:
            print(f"{name}{suffix}{{{text}}} {number(x)} {t:.3f}")


def counter(rate, resets=0.0, jitter=0.0, gap=None, whole=True, begin=0):
    x = begin
    for _, t in times(jitter, gap):
        if rng.random() < resets:
            x = 0
        x += rng.randint(0, rate) if whole else rng.random() * rate
        yield t, x


def gauge(low, high, jitter=0.0, gap=None, odd=False):
    for _, t in times(jitter, gap):
        x = rng.uniform(low, high)
        if odd and rng.random() < 0.05:
            x = rng.choice([math.nan, math.inf, -math.inf, 0.0, -0.0])
        yield t, x


series = []
for job in ("api", "web", "db"):
    for instance in range(4):
        for code in ("200", "404", "500"):
            labels = [("code", code), ("instance", f"host{instance}:80"), ("job", job)]
            gap = (100, 260) if (job, instance) == ("db", 3) else (300, 340) if code == "500" else None
            series.append((labels, list(counter(40 if code == "200" else 3, 0.01 if instance == 2 else 0, 0.4, gap)), "_total"))
family("http_requests", "counter", series)
family("cpu_seconds", "counter", [
    ([("cpu", str(c)), ("mode", m)], list(counter(9.7, 0.004, 0.0, None, False, 1e6 * c)), "_total")
    for c in range(4) for m in ("idle", "user", "system")])
family("memory_bytes", "gauge", [
    ([("instance", f"host{i}:80"), ("job", job), ("kind", kind)], list(gauge(1e8, 3e10, 0.2)), "")
    for job in ("api", "web") for i in range(4) for kind in ("used", "free")])
family("temperature", "gauge", [
    ([("sensor", s)], list(gauge(-20, 90, 0, (50, 52), s == "odd")), "") for s in ("a", "b", "c", "odd")])
family("build_info", "gauge", [
    ([("instance", f"host{i}:80"), ("job", job), ("version", f"1.{i % 2}")], [(t, 1) for _, t in times()], "")
    for job in ("api", "web", "db") for i in range(4)])
family("steady", "gauge", [([("l", "x")], [(t, 7.25) for _, t in times()], "")])
family("short_lived", "gauge", [([("n", str(n))], [(t, i * 1.5 + n) for i, t in times() if 200 + 10 * n <= i < 215 + 10 * n], "")
                                for n in range(5)])
bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
buckets = []
for path in ("/", "/login", "/odd \\\\ \\\" path"):
    for job in ("api", "web"):
        counts, total, points = [0] * (len(bounds) + 1), 0.0, []
        for i, t in times():
            for _ in range(rng.randint(0, 12)):
                v = rng.lognormvariate(-3, 1.5)
                total += v
                counts[next((k for k, b in enumerate(bounds) if v <= b), len(bounds))] += 1
            points.append((t, list(counts), total))
        base = [("job", job), ("path", path)]
        below = [[(t, sum(c[:k + 1])) for t, c, _ in points] for k in range(len(bounds) + 1)]
        for k, b in enumerate([*map(float, bounds), math.inf]):
            buckets.append((base + [("le", number(b))], below[k], "_bucket"))
        buckets.append((base, [(t, s) for t, _, s in points], "_sum"))
        buckets.append((base, [(t, sum(c)) for t, c, _ in points], "_count"))
family("latency_seconds", "histogram", buckets)
print("# EOF")
