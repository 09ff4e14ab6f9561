#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records HTTP/2 and gRPC of real peers under src/protocol/testdata, and what the peers themselves say took place.

    tests/record_http2.py [NAME...]      all, or those whose name begins so

NAME.cap is the conversation (tests/record_captures.py), NAME.said a line for each exchange, sorted: operation,
resource, status of HTTP, grpc-status or "-", messages asked, messages answered. Of nginx that is its access log,
of the others what the client got. Needs: nginx curl nghttp2-client nghttp2-server nodejs python3-grpcio
golang-go golang-google-grpc-dev golang-golang-x-net-dev; @grpc/grpc-js is taken from npm. Loopback only.
"""
import os, re, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "http2_peers")
import record_captures as rc

wanted = sys.argv[1:]

WORK = tempfile.mkdtemp(prefix="sonde-http2-")
GO = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": os.path.join(WORK, "go")}


def is_wanted(name):
    return not wanted or any(name.startswith(a) for a in wanted)


class Tape(rc.Tape):
    is_cut = False

    def write(self, side, data):
        before = len(self.bytes)
        super().write(side, data)
        self.is_cut |= len(self.bytes) == before


def record(name, port, client, said=None):
    """client: a function given the port to talk to; returns what was said, unless `said` does afterwards."""
    if not is_wanted(name):
        return
    tape = Tape()
    front, thread = rc.relay_tcp(port, tape)
    lines = client(front)
    thread.join(12)
    assert not tape.is_cut, f"{name}: too long"
    tape.save(name)
    lines = said() if said else lines
    with open(os.path.join(rc.OUT, name + ".said"), "w") as f:
        f.write("\n".join(sorted(lines)) + "\n")


def run(*argv, **kw):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, text=True, **kw).stdout


def with_nginx():
    port, log = rc.free_port(), os.path.join(WORK, "access.log")
    os.makedirs(os.path.join(WORK, "html"), exist_ok=True)
    os.chmod(WORK, 0o755)
    for name, size in (("index.html", 200), ("large.txt", 9000)):
        with open(os.path.join(WORK, "html", name), "w") as f:
            f.write("hello world\n" * (size // 12))
    with open(os.path.join(WORK, "nginx.conf"), "w") as f:
        f.write(f"""daemon off; pid {WORK}/nginx.pid; events {{}} http {{
  log_format said '$request_method $uri_path $status - 0 0'; map $request_uri $uri_path {{ "~^(?<p>[^?]*)" $p; }}
  access_log {log} said; client_body_temp_path {WORK}/b; proxy_temp_path {WORK}/p; fastcgi_temp_path {WORK}/f;
  uwsgi_temp_path {WORK}/u; scgi_temp_path {WORK}/s; http2_max_concurrent_streams 1000;
  server {{ listen 127.0.0.1:{port} http2; root {WORK}/html; location /post {{ return 201 "done"; }}
    location /error {{ return 503; }} }} }}""")
    rc.start("nginx", "-c", f"{WORK}/nginx.conf", "-e", f"{WORK}/error.log", port=port)

    def logged():
        with open(log) as f:
            lines = f.read().split("\n")[:-1]
        open(log, "w").close()
        return [line for line in lines if not line.startswith("PRI") and " 400 " not in line]

    url = "http://127.0.0.1:%d"
    logged()

    # one request each: curl 7.88 does not send a second one over a plain connection that it has
    curl = lambda p, path, *options: run("curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", *options, url % p + path)
    record("http2-nginx-curl", port, lambda p: curl(
        p, "/missing?token=secret", "-H", "Authorization: Bearer secret", "-H", "x-request-id: r1", "-A", "shop/1.0"), logged)
    record("http2-nginx-post", port, lambda p: curl(p, "/post/7", "-d", "a=1&password=secret"), logged)
    record("http2-nginx-head", port, lambda p: curl(p, "/large.txt", "-I"), logged)
    record("http2-nginx-nghttp", port, lambda p: run(
        "nghttp", "-n", "-H", "authorization: Bearer secret", "-H", "cookie: a=secret; b=secret",
        *[url % p + path for path in ("/", "/large.txt", "/error", "/users/7", "/users/8?token=secret")]), logged)
    record("http2-nginx-h2load", port, lambda p: run("h2load", "-n", "60", "-c", "1", "-m", "20", url % p + "/index.html"), logged)
    record("http2-nginx-long", port, lambda p: curl(p, "/long", "-H", "x-long: " + "h" * 7000), logged)
    proxy = rc.free_port()
    rc.start("nghttpx", f"-f127.0.0.1,{proxy};no-tls", f"-b127.0.0.1,{port};;proto=h2", "--workers=1", port=proxy)
    record("http2-h2c-curl", proxy, lambda p: run("curl", "-s", "--http2", "-o", "/dev/null", url % p + "/large.txt"), logged)
    record("http2-h2c-nghttp", proxy, lambda p: run("nghttp", "-n", "-u", url % p + "/", url % p + "/nothing", url % p + "/large.txt"), logged)


def with_nghttp2():
    port = rc.free_port()
    rc.start("nghttpd", "--no-tls", "-d", os.path.join(WORK, "html"), "--push=/index.html=/large.txt", "--trailer=x-sum: 1", "-b", "16",
             str(port), port=port)
    url = "http://127.0.0.1:%d"

    def nghttp(p, *options):
        """Of the table that -s prints: id, end, start, process, code, size, path; "*" before pushed ones."""
        out = run("nghttp", "-n", "-s", *options, url % p + "/index.html", url % p + "/nothing", url % p + "/large.txt")
        return [f"GET {m[2]} {m[1]} - 0 0" for m in re.finditer(r"^ *\d+ +\+\S+ +\+\S+ +\S+ +(\d+) +\S+ +(\S+)$", out, re.M)]

    record("http2-nghttp", port, lambda p: nghttp(p, "--padding=8", "--no-dep", "-H", "x-request-id: r1"))
    record("http2-nghttp-table", port, lambda p: nghttp(p, "--header-table-size=256", "--encoder-header-table-size=128", "-w", "14", "-m", "3", "--no-push"))


def with_peer(name, *argv, **kw):
    if not is_wanted(name):
        return
    port = rc.free_port()
    rc.start(*argv, "server", str(port), port=port, **kw)
    record(name, port, lambda p: run(*argv, "client", str(p), **kw).split("\n")[:-1])


def with_npm():
    if not is_wanted("http2-grpc-node"):
        return
    folder = os.path.join(WORK, "npm")
    os.makedirs(folder)
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, "@grpc/grpc-js"], check=True)
    with_peer("http2-grpc-node", "node", os.path.join(PEERS, "grpc_node.js"),
              env={**os.environ, "NODE_PATH": os.path.join(folder, "node_modules")})


def with_go():
    for name in ("grpc_go",):
        if not is_wanted("http2-" + name.replace("_", "-")):
            continue
        subprocess.run(["go", "build", "-o", os.path.join(WORK, name), os.path.join(PEERS, name + ".go")], check=True, env=GO)
        with_peer("http2-" + name.replace("_", "-"), os.path.join(WORK, name))


try:
    with_nginx()
    with_nghttp2()
    with_peer("http2-node", "node", os.path.join(PEERS, "node_http2.js"))
    with_peer("http2-grpc-python", "/usr/bin/python3", os.path.join(PEERS, "grpc_python.py"))
    with_npm()
    with_go()
finally:
    for process in rc.started:
        process.kill()
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(rc.WORK, ignore_errors=True)
