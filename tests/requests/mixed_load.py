#!/usr/bin/env python3
"""mixed_load PORT REQUESTS SEED: exchanges most of which are alike, with all sorts of others between, over a few connections.

Prints a line `METHOD PATH STATUS COUNT` for what was asked and answered. Responses are read by their Content-Length, and checked."""
import collections
import random
import socket
import sys
import time

port, total, seed = (int(word) for word in sys.argv[1:4])
rng = random.Random(seed)
counts = collections.Counter()
STATUS = {"/": 200, "/users": 201, "/missing": 404, "/broken": 503, "/big": 200}


class Connection:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def fill(self):
        more = self.socket.recv(65536)
        if not more:
            sys.exit("the server closed")
        self.rest += more

    def response(self, method, path):
        while b"\r\n\r\n" not in self.rest:
            self.fill()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        status = int(lines[0].split()[1])
        if status != STATUS[path]:
            sys.exit(f"{method} {path}: {status}")
        length = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length"))
        while method != "HEAD" and len(self.rest) < length:
            self.fill()
        if method != "HEAD":
            self.rest = self.rest[length:]
        counts[method, path, status] += 1


def request(method, path, more=""):
    body = "x" * rng.randrange(1, 3000) if method == "POST" else ""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: mixed\r\n{length}{more}\r\n{body}".encode()


def usual(c, path="/", most=60):
    for _ in range(rng.randrange(1, most)):
        c.socket.sendall(request("GET", path))
        c.response("GET", path)


def once(c, method, path, more=""):
    c.socket.sendall(request(method, path, more))
    c.response(method, path)


def in_two_parts(c):
    whole = request("GET", "/")
    at = rng.randrange(1, len(whole))
    c.socket.sendall(whole[:at])
    c.socket.sendall(whole[at:])
    c.response("GET", "/")


def pipelined(c):
    depth = rng.randrange(2, 9)
    c.socket.sendall(request("GET", "/") * depth)
    for _ in range(depth):
        c.response("GET", "/")


def second_before_response(c):
    c.socket.sendall(request("GET", "/users"))
    c.socket.sendall(request("GET", "/"))
    c.response("GET", "/users")
    c.response("GET", "/")


connections = [Connection() for _ in range(6)]
others = [
    lambda c: usual(c, "/users"),
    lambda c: usual(c, "/missing"),
    lambda c: usual(c, "/big", 8),
    lambda c: once(c, "POST", "/"),
    lambda c: once(c, "HEAD", "/"),
    lambda c: once(c, "GET", "/broken"),
    lambda c: once(c, "GET", "/", f"X-Odd: {rng.random()}\r\n"),
    in_two_parts,
    pipelined,
    second_before_response,
    lambda c: time.sleep(0.02),
]
while sum(counts.values()) < total:
    at = rng.randrange(len(connections))
    if rng.random() < 0.05:
        connections[at].socket.close()
        connections[at] = Connection()
    (usual if rng.random() < 0.6 else rng.choice(others))(connections[at])
for c in connections:
    c.socket.close()
for (method, path, status), count in sorted(counts.items()):
    print(method, path, status, count)
