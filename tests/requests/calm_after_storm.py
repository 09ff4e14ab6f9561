#!/usr/bin/env python3
"""calm_after_storm - one connection that pipelines: as fast as it can, then, after a pause, slowly.

calm_after_storm.py PORT ROUNDS: the ids are storm-N and calm-N.
"""
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


for n in range(int(sys.argv[2])):
    ask(b'storm', n * 32, 32)
time.sleep(3)
for n in range(10):
    ask(b'calm', n * 8, 8)
    time.sleep(0.15)  # a ring of 16 KiB is read ten times a second
