#!/usr/bin/env python3
# compare PLAIN ACCELERATED RECORDS - what torture saw with and without acceleration, and how much of each connection was
# redirected (records of kind connection, one JSON object a line). Says `ok CASE` and `not ok CASE: why`.
import collections, json, sys

def read(path):
    seen, ends = collections.OrderedDict(), collections.defaultdict(list)
    for line in open(path):
        word = line.split()
        if word and word[0] == "conn":
            ends[word[1].rstrip("*")].append((word[2], int(word[3])))
        elif ":" in line:
            name, text = line.rstrip("\n").split(": ", 1)
            seen.setdefault(name, []).append(text)
    return seen, ends

refusable = set(sys.argv[4].split(",")) if len(sys.argv) > 4 else set()
plain, _ = read(sys.argv[1])
fast, ends = read(sys.argv[2])
records = {}
for line in open(sys.argv[3]):
    record = json.loads(line)
    if record.get("connection"):
        records[record["connection"]] = record
total = redirected = 0
for name, text in plain.items():
    if any("FAILED" in line for line in text):
        print(f"not ok {name}: fails without acceleration too: {text}")
        continue
    if fast.get(name) != text:
        print(f"{'ok' if name in refusable else 'not ok'} {name}: {'known difference: ' if name in refusable else ''}plain {text}, accelerated {fast.get(name)}")
        continue
    low = []
    for cookie, sent in ends[name]:
        record = records.get(cookie)
        moved = record["redirected_bytes"] if record else 0
        total += sent
        redirected += moved
        if moved < 0.9 * sent:
            why = f"{record.get('reason', 'full %s times' % record.get('full', 0))}, {record['tcp_bytes']} by TCP" if record else "not accelerated"
            low.append(f"{cookie}: {moved} of {sent} ({why})")
    if low and name not in refusable:
        print(f"not ok {name}: {len(low)} of {len(ends[name])} ends were redirected for less than 90 %: {'; '.join(low[:3])}")
    else:
        print(f"ok {name}")
print(f"# {redirected} of {total} bytes redirected ({100 * redirected / max(total, 1):.2f} %)")
