#!/usr/bin/env python3
"""calm_after_storm - one connection that pipelines: as fast as it can, then, after a pause, slowly.

calm_after_storm.py PORT ROUNDS FILE: the ids are storm-N and calm-N; it is calm when FILE is there.
"""
import os
import socket
import sys
import time

s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
answers = s.makefile('rb')


def ask(name, first, count):
    s.sendall(b''.join(b'GET /users/%d HTTP/1.1\r\nHost: calm\r\nX-Request-Id: %s-%d\r\n\r\n' % (n, name, n) for n in range(first, first + count)))
    for _ in range(count):
        length = 0
        while (line := answers.readline()) != b'\r\n':
            if line.lower().startswith(b'content-length: '):
                length = int(line[16:])
        answers.read(length)


slowest = 0
for n in range(int(sys.argv[2])):
    began = time.monotonic()
    ask(b'storm', n * 32, 32)
    slowest = max(slowest, time.monotonic() - began)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.05)
# A rest is 16 times as long as the slowest answer. Of the last answers of the storm nobody may have told: those are noticed with
# the next ones, and the rest behind them counts.
for n in range(2):
    time.sleep(max(1, 20 * slowest))
    if not n:
        ask(b'rest', 0, 4)
for n in range(20):
    ask(b'calm', n * 4, 4)
    time.sleep(0.15)  # a ring of 16 KiB is read ten times a second
