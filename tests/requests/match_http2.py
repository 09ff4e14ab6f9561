#!/usr/bin/env python3
"""match_http2 - what peers of HTTP/2 and gRPC say took place against records of it.

match_http2.py RECORDS SAID SIDE PORT: prints said, matched, wrong (records that nobody said), missing, opaque.
SAID: a line for each exchange: operation, resource, status of HTTP, grpc-status or "-", messages asked, answered.
"""
import collections
import json
import sys

said = collections.Counter(line.strip() for line in open(sys.argv[2]) if line.strip())
got, opaque = collections.Counter(), 0
for line in open(sys.argv[1]):
    if not line.startswith('data: {"time"'):
        continue
    record = json.loads(line[6:])
    port = record.get('local_port' if sys.argv[3] == 'server' else 'remote_port')
    if record.get('kind') != 'request' or record['side'] != sys.argv[3] or port != int(sys.argv[4]) or record.get('open'):
        continue
    opaque += record.get('naming') == 'opaque'
    is_call = record['protocol'] == 'grpc'
    assert record['protocol'] in ('http2', 'grpc'), line
    got[' '.join(str(word) for word in (
        record.get('operation', '-'), record.get('resource', '-') if is_call else record.get('target', '-').split('?')[0],
        record.get('http_status' if is_call else 'status', '-'), record.get('status', '-') if is_call else '-',
        record.get('request_messages', 0), record.get('response_messages', 0)))] += 1
wrong = got - said
for name, count in list(wrong.items())[:5]:
    print('nobody said:', count, name, file=sys.stderr)
for name, count in list((said - got).items())[:5]:
    print('no record of:', count, name, file=sys.stderr)
print(sum(said.values()), sum((said & got).values()), sum(wrong.values()), sum((said - got).values()), opaque)
