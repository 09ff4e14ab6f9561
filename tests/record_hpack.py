#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records header blocks of other people's encoders under src/protocol/testdata: NAME.hpack.

    tests/record_hpack.py

Each is one connection: for each block 4 bytes of length and the block, then what it says: 2 bytes with the
number of fields, for each 2 bytes of length and the name, and likewise the value; numbers are big endian.
"quiet" connections have no header that differs from request to request. Needs: python3-hpack, golang-go,
golang-golang-x-net-dev.
"""
import os, random, struct, subprocess
from hpack import Encoder

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../src/protocol/testdata")
BLOCKS = 300
chance = random.Random(7541)


def request(quiet):
    fields = [(":authority", "orders.shop.svc:8080"), (":method", "POST"),
              (":path", f"/shop.Orders/Method{chance.randrange(12)}"), (":scheme", "http"),
              ("content-type", "application/grpc"), ("user-agent", "grpc-go/1.62.1"), ("te", "trailers")]
    if not quiet:
        fields.append(("traceparent", f"00-{chance.getrandbits(128):032x}-{chance.getrandbits(64):016x}-01"))
        if chance.random() < 0.3:
            fields.append(("grpc-timeout", f"{chance.randrange(10**6)}u"))
        if chance.random() < 0.1:
            fields.append(("cookie", "session=" + "".join(chance.choice("abc!\x7f\t~") for _ in range(40))))
        if chance.random() < 0.02:
            fields.append(("x-long", "y" * chance.randrange(3000, 4300)))
    return fields


def texts(fields):
    out = struct.pack(">H", len(fields))
    for pair in fields:
        for text in pair:
            out += struct.pack(">H", len(text)) + text.encode()
    return out


def by_python(lists, quiet):
    encoder, blocks = Encoder(), []
    for n, fields in enumerate(lists):
        if n % 70 == 69 and not quiet:
            encoder.header_table_size = [1024, 4096, 0, 4096][n // 70 % 4]
        blocks.append(encoder.encode(fields))
    return blocks


def by_go(lists, quiet):
    said = subprocess.run(["go", "run", os.path.join(HERE, "record_hpack.go")] + ["quiet"] * quiet, check=True, stdout=subprocess.PIPE,
                          input=b"".join(map(texts, lists)),
                          env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}).stdout
    blocks = []
    while said:
        length, = struct.unpack_from(">I", said)
        blocks.append(said[4:4 + length])
        said = said[4 + length:]
    return blocks


for name, encode in (("python", by_python), ("go", by_go)):
    for quiet in (False, True):
        lists = [request(quiet) for _ in range(BLOCKS)]
        path = os.path.join(OUT, f"{name}{'-quiet' if quiet else ''}.hpack")
        with open(path, "wb") as f:
            for block, fields in zip(encode(lists, quiet), lists, strict=True):
                f.write(struct.pack(">I", len(block)) + block + texts(fields))
        print(path, os.path.getsize(path))
