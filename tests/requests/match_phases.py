#!/usr/bin/env python3
"""match_phases - phases of records against what client, server and network wrote down themselves.

match_phases.py RECORDS NETWORK SERVER CLIENT PREFIX: a line for each phase: how many of all are within max(1 ms, 5 %).
"""
import json
import sys

records_path, network_path, server_path, client_path, prefix = sys.argv[1:]
network, server, client = {}, {}, {}
for line in open(network_path):
    name, direction, at = line.split()
    network[name, direction] = int(at)
for table, path in (server, server_path), (client, client_path):
    for line in open(path):
        words = line.split()
        if len(words) == 3:
            table[words[0]] = int(words[1]), int(words[2])
results = {}


def compare(phase, got, want):
    good, all_of_them, worst = results.setdefault(phase, [0, 0, 0])
    error = abs((got if got is not None else -10**12) - want)
    results[phase] = [good + (error <= max(10**6, want * 0.05)), all_of_them + 1, max(worst, error if got is not None else 10**12)]


seen = 0
for line in open(records_path):
    record = json.loads(line)
    name = record.get('request_id', '')
    if not name.startswith(prefix + '-') or (name, 'response') not in network or name not in server or name not in client:
        continue
    seen += 1
    came, answered = network[name, 'request'], network[name, 'response']
    read_at, written_at = server[name]
    asked_at, got_at = client[name]
    if record['side'] == 'server':
        compare('server queue', record.get('queue_ns'), read_at - came)
        compare('server process', record.get('process_ns'), written_at - read_at)
    else:
        compare('client wait', record.get('wait_ns'), answered - asked_at)
        compare('client queue', record.get('queue_ns'), got_at - answered)
        if not record.get('network_bound'):
            compare('network', record.get('network_ns'), (came - asked_at) + (answered - written_at))
        else:
            compare('network', None, 0)
print('seen', seen, len(client) * 2)
for phase, (good, count, worst) in sorted(results.items()):
    print(phase.replace(' ', '_'), f'{100 * good / count:.2f}', f'{worst / 1e6:.2f}', count)
