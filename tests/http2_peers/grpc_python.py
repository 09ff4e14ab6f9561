#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""All kinds of calls by grpcio. `server PORT`; `client PORT` prints what it called, as tests/record_http2.py wants it."""
import concurrent.futures, sys
import grpc

SERVICE = "shop.Orders"


def unary(request, context):
    if request == b"missing":
        context.abort(grpc.StatusCode.NOT_FOUND, "no order of that number, 100 % sure")
    return request * 2


def client_stream(requests, context):
    return b"".join(requests)


def server_stream(request, context):
    for _ in range(5):
        yield request


def both(requests, context):
    for request in requests:
        yield request
        yield request


def serve(port):
    handlers = {"Get": grpc.unary_unary_rpc_method_handler(unary), "Put": grpc.stream_unary_rpc_method_handler(client_stream),
                "List": grpc.unary_stream_rpc_method_handler(server_stream),
                "Talk": grpc.stream_stream_rpc_method_handler(both)}
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def said(method, status, asked, answered):
    print(f"{method} {SERVICE} 200 {status} {asked} {answered}")


def call(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        path = f"/{SERVICE}/"
        for n in range(8):
            get = channel.unary_unary(path + "Get")
            try:
                get(b"missing" if n % 4 == 3 else b"x" * n, metadata=(("x-request-id", f"r{n}"),))
                said("Get", 0, 1, 1)
            except grpc.RpcError as error:
                said("Get", error.code().value[0], 1, 0)
            channel.stream_unary(path + "Put")(iter([b"a" * 100] * n))
            said("Put", 0, n, 1)
            list(channel.unary_stream(path + "List")(b"z" * 30))
            said("List", 0, 1, 5)
            list(channel.stream_stream(path + "Talk")(iter([b"t"] * 3)))
            said("Talk", 0, 3, 6)
        try:
            channel.unary_unary(path + "Unknown")(b"x")
        except grpc.RpcError as error:
            said("Unknown", error.code().value[0], 1, 0)


{"server": serve, "client": call}[sys.argv[1]](int(sys.argv[2]))
