#!/usr/bin/env python3
"""match_calls - every_call's own counts against the records: match_calls.py TRUTH RECORDS.

For each way to send and receive two exchanges, each seen by both sides, with the bytes that really moved.
Prints a line `ok` or `not ok` for each way to send and each way to receive.
"""
import collections
import json
import sys

truth = {}
for line in open(sys.argv[1]):
    path, request, response = line.split()
    truth[path] = int(request), int(response)
seen = collections.defaultdict(list)
for line in open(sys.argv[2]):
    record = json.loads(line)
    if record.get('host') == 'every':
        seen[record['target'].split('?')[0]].append(record)
wrong = collections.defaultdict(list)
for path, (request, response) in truth.items():
    records = seen[path]
    why = []
    for side in 'client', 'server':
        mine = [r for r in records if r['side'] == side]
        if len(mine) != 2:
            why.append(f'{len(mine)} of the {side}')
        for r in mine:
            if r['request_bytes'] != request or r.get('response_bytes') != response:
                why.append(f"{side}: {r['request_bytes']} and {r.get('response_bytes')} bytes, not {request} and {response}")
            elif not r.get('complete'):
                why.append(f'{side}: incomplete')
    if why:
        wrong[path] = why
for place, word in (1, 'send'), (2, 'receive'):
    for name in dict.fromkeys(path.split('/')[place] for path in truth):
        bad = [path for path in truth if path.split('/')[place] == name and path in wrong]
        if bad:
            print(f'not ok {word} by {name}: {len(bad)} ways wrong, first {bad[0]}: {"; ".join(wrong[bad[0]][:3])}')
        else:
            print(f'ok {word} by {name}: bytes of requests and responses at both ends')
