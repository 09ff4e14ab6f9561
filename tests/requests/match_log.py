#!/usr/bin/env python3
"""match_log - nginx's log against records: by request id, status, path and bytes.

match_log.py LOG RECORDS PREFIX: prints logged, matched, wrong, missing, double, incomplete.
"""
import json
import sys

logged = {}
for line in open(sys.argv[1]):
    words = line.split()
    if len(words) == 5 and words[0].startswith(sys.argv[3] + '-'):
        logged[words[0]] = words
matched, wrong, double, incomplete = set(), 0, 0, 0
for line in open(sys.argv[2]):
    record = json.loads(line)
    name = record.get('request_id', '')
    if not name.startswith(sys.argv[3] + '-'):
        continue
    if not record.get('complete'):
        incomplete += 1
    if name in matched:
        double += 1
    want = logged.get(name)
    is_right = want and record.get('status') == want[1] and record['request_bytes'] == int(want[3]) and \
        record.get('response_bytes') == int(want[2])
    if record.get('status') is None:
        continue  # not answered, as far as was seen: no pair
    if not is_right:
        wrong += 1
        if wrong < 4:
            print('wrong:', want, line[:600], file=sys.stderr)
    matched.add(name)
print(len(logged), len(matched), wrong, len(logged) - len(matched & set(logged)), double, incomplete)
