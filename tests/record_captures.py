#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records the conversations under src/protocol/testdata: real servers and clients of Debian, with a relay
between them that writes down who sent what, write by write.

    tests/record_captures.py [NAME...]      all, or those whose name begins so

A file NAME.cap is a sequence of: '>' (client) or '<' (server), 4 bytes of length (big endian), the bytes.
NAME.udp.cap holds datagrams. Needs: nginx curl redis-server memcached libmemcached-tools dnsmasq
bind9-dnsutils openssl dropbear-bin openssh-client mariadb-server postgresql. Loopback only.
"""
import os, random, select, shutil, socket, struct, subprocess, sys, tempfile, threading, time

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../src/protocol/testdata")
WORK = tempfile.mkdtemp(prefix="sonde-captures-")
CAP = 40000  # bytes of one file
started = []


def start(*argv, port=None, udp=False, **kw):
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)
    started.append(process)
    for _ in range(200):
        if port is None or udp:
            time.sleep(0.3)
            return process
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{argv[0]} does not listen on {port}")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Tape:
    def __init__(self):
        self.bytes, self.lock = b"", threading.Lock()

    def write(self, side, data):
        with self.lock:
            if len(self.bytes) + len(data) < CAP:
                self.bytes += side + struct.pack(">I", len(data)) + data

    def save(self, name):
        assert self.bytes, f"{name}: nothing was recorded"
        with open(os.path.join(OUT, name + ".cap"), "wb") as f:
            f.write(self.bytes)
        print(f"{name}: {len(self.bytes)} bytes")


def relay_tcp(to, tape, connections=1):
    """Listens on a port of its own; relays and records the first `connections`, one after another."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        for _ in range(connections):
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", to))
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peers = {client: (server, b">"), server: (client, b"<")}
            while peers:
                for s in select.select(list(peers), [], [], 10)[0] or [None]:
                    if s is None:
                        peers = {}
                        break
                    other, side = peers[s]
                    try:
                        data = s.recv(65536)
                    except OSError:
                        data = b""
                    if not data:
                        del peers[s]
                        try:
                            other.shutdown(socket.SHUT_WR)
                        except OSError:
                            pass
                        continue
                    tape.write(side, data)
                    other.sendall(data)
            client.close()
            server.close()
        listener.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread


def relay_udp(to, tape):
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.connect(("127.0.0.1", to))
    client = [None]

    def run():
        while True:
            for s in select.select([front, back], [], [])[0]:
                if s is front:
                    data, client[0] = front.recvfrom(65536)
                    tape.write(b">", data)
                    back.send(data)
                else:
                    data = back.recv(65536)
                    tape.write(b"<", data)
                    front.sendto(data, client[0])

    threading.Thread(target=run, daemon=True).start()
    return front.getsockname()[1]


def record(name, server_port, client, connections=1):
    """client: a function given the port to talk to."""
    if len(sys.argv) > 1 and not any(name.startswith(a) for a in sys.argv[1:]):
        return
    tape = Tape()
    port, thread = relay_tcp(server_port, tape, connections)
    client(port)
    thread.join(12)
    tape.save(name)


def run(*argv, **kw):
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, **kw)


def talk(*turns, end=b""):
    """Sends each turn and waits for what comes back."""

    def client(port):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.settimeout(0.4)
            for turn in turns:
                s.sendall(turn)
                try:
                    while s.recv(65536):
                        pass
                except OSError:
                    pass

    return client


def http():
    port, tls_port, h2_port = free_port(), free_port(), free_port()
    os.makedirs(f"{WORK}/html/users/7", exist_ok=True)
    with open(f"{WORK}/html/index.html", "w") as f:
        f.write("<p>hello\n" * 400)
    with open(f"{WORK}/html/users/7/profile", "w") as f:
        f.write("{}")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=shop.example",
        "-keyout", f"{WORK}/key.pem", "-out", f"{WORK}/cert.pem")
    with open(f"{WORK}/nginx.conf", "w") as f:
        f.write(f"""daemon off; master_process off; pid {WORK}/nginx.pid; error_log {WORK}/error.log;
events {{}}
http {{ access_log off; gzip on; gzip_types *; gzip_min_length 1; keepalive_requests 10000;
  client_body_temp_path {WORK}/b; proxy_temp_path {WORK}/p; fastcgi_temp_path {WORK}/f; uwsgi_temp_path {WORK}/u;
  scgi_temp_path {WORK}/s;
  server {{ listen 127.0.0.1:{port}; root {WORK}/html;
    location /post {{ return 201 "done"; }} location /error {{ return 503; }} }}
  server {{ listen 127.0.0.1:{h2_port} http2; root {WORK}/html; }}
  server {{ listen 127.0.0.1:{tls_port} ssl http2; root {WORK}/html; ssl_certificate {WORK}/cert.pem;
    ssl_certificate_key {WORK}/key.pem; ssl_protocols TLSv1.2 TLSv1.3; }} }}
""")
    start("nginx", "-c", f"{WORK}/nginx.conf", "-e", f"{WORK}/error.log", port=port)
    url = "http://127.0.0.1:%d"
    record("http1-keepalive", port, lambda p: run(
        "curl", "-s", "-H", "x-request-id: r1", url % p + "/?token=secret", "-H", "Authorization: Bearer secret",
        url % p + "/users/7/profile", url % p + "/missing", url % p + "/error"))
    record("http1-chunked", port, lambda p: run("curl", "-s", "--compressed", url % p + "/", url % p + "/index.html"))
    record("http1-post", port, lambda p: run(
        "curl", "-s", "-d", "a=1&password=secret", url % p + "/post", "-d", "x", url % p + "/post"))
    record("http1-expect", port, lambda p: run(
        "curl", "-s", "-H", "Expect: 100-continue", "-d", "y" * 2000, url % p + "/post"))
    record("http1-head", port, lambda p: run("curl", "-s", "-I", url % p + "/", url % p + "/missing"))
    record("http1-close", port, talk(b"GET / HTTP/1.0\r\nHost: shop\r\n\r\n"))
    record("http1-pipeline", port, talk(b"GET /users/7/profile HTTP/1.1\r\nHost: shop\r\n\r\n" * 32))
    record("http2-prior", h2_port, lambda p: run("curl", "-s", "--http2-prior-knowledge", url % p + "/", url % p + "/missing"))
    record("http1-h2c-upgrade", port, lambda p: run("curl", "-s", "--http2", url % p + "/"))
    secure = ["curl", "-sk", "--resolve"]
    for name, extra in (("tls13", ["--tlsv1.3"]), ("tls12", ["--tls-max", "1.2"]), ("tls12-http1", ["--tls-max", "1.2", "--http1.1"])):
        record(name, tls_port, lambda p: run(*secure, f"shop.example:{p}:127.0.0.1", *extra, f"https://shop.example:{p}/"))
    record("tls-refused", tls_port, lambda p: run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{p}", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256",
        "-servername", "shop.example", stdin=subprocess.DEVNULL))
    port = free_port()
    start("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", f"{WORK}/cert.pem", "-key", f"{WORK}/key.pem",
          "-groups", "P-256", "-quiet", "-alpn", "h2", port=port)
    record("tls-retry", port, lambda p: run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{p}", "-groups", "X25519:P-256", "-alpn", "h2,http/1.1",
        "-servername", "shop.example", stdin=subprocess.DEVNULL))
    record("tls-untrusted", tls_port, lambda p: run(
        "curl", "-s", "--tls-max", "1.2", "--resolve", f"shop.example:{p}:127.0.0.1", f"https://shop.example:{p}/"))


def redis():
    port = free_port()
    start("redis-server", "--port", str(port), "--save", "", "--dir", WORK, port=port)
    word = lambda *words: b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
    commands = lambda text: talk(*[word(*line.split()) for line in text.encode().split(b"\n")])
    record("redis-cli", port, lambda p: run("redis-cli", "-p", str(p), "SET", "user:7", "secret"))
    record("redis-commands", port, commands(
        "GET user:7\nGET missing\nINCR n\nLPUSH l a b c\nLRANGE l 0 -1\nHSET h f 1\nHGETALL h\nLPUSH user:7 x\nNOSUCH\n"
        "CONFIG GET maxmemory\nDEL user:7\nBLPOP none 0.1\nAUTH user secret"))
    record("redis-resp3", port, commands("HELLO 3\nHSET h f 1\nHGETALL h\nSMEMBERS s\nGET none\nDEBUG PROTOCOL attrib\nZADD z 1.5 a\n"
                                         "ZSCORE z a\nCLIENT TRACKING ON\nGET n\nINCR n"))
    record("redis-transaction", port, commands("MULTI\nSET a 1\nINCR a\nEXEC\nMULTI\nDISCARD"))
    record("redis-pipeline", port, talk(*[b"".join(word(b"SET", b"k%d" % i, b"v") + word(b"GET", b"k%d" % i) for i in range(16))] * 4))
    sub = b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n"
    pub = lambda p: (threading.Timer(0.3, lambda: run("redis-cli", "-p", str(port), "PUBLISH", "c", "hello")).start(),
                     talk(sub, b"*1\r\n$11\r\nUNSUBSCRIBE\r\n", b"*1\r\n$4\r\nPING\r\n")(p))
    record("redis-subscribe", port, pub)
    record("redis-inline", port, talk(b"PING\r\n", b"SET k v\r\n", b"GET k\r\n"))


def memcached():
    port = free_port()
    start("memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody", port=port)
    record("memcached-text", port, talk(
        b"set user:7 0 0 6\r\nsecret\r\n", b"get user:7\r\n", b"get missing\r\n", b"gets user:7 missing x\r\n",
        b"set n 0 0 1\r\n5\r\n", b"incr n 2\r\n", b"delete n\r\n", b"delete n\r\n", b"set q 0 0 1 noreply\r\nx\r\n",
        b"cas q 0 0 1 1\r\ny\r\n", b"add q 0 0 1\r\nz\r\n", b"touch q 10\r\n", b"version\r\n", b"stats\r\n", b"bogus\r\n",
        b"flush_all\r\n"))
    record("memcached-meta", port, talk(
        b"ms user:7 6 T0 Oa1\r\nsecret\r\n", b"mg user:7 v k Oa2\r\n", b"mg missing v\r\n",
        b"mg missing v q Oa3\r\nmg user:7 v q Oa4\r\nmn\r\n", b"md user:7 q\r\nmn\r\n", b"ma n N0 J1 v\r\n"))
    with open(f"{WORK}/file7", "w") as f:
        f.write("secret " * 20)
    record("memcached-binary", port, lambda p: run(
        "memccp", "--binary", f"--servers=127.0.0.1:{p}", f"{WORK}/file7"))
    head = lambda op, key=b"", ext=b"", value=b"", opaque=0: struct.pack(
        ">BBHBBHIIQ", 0x80, op, len(key), len(ext), 0, 0, len(key) + len(ext) + len(value), opaque, 0) + ext + key + value
    record("memcached-binary-quiet", port, talk(
        head(0x01, b"a", b"\0" * 8, b"1", 1), head(0x0d, b"none", opaque=2) + head(0x0d, b"a", opaque=3) + head(0x0a, opaque=4),
        head(0x11, b"b", b"\0" * 8, b"2", 5) + head(0x00, b"b", opaque=6), head(0x10, opaque=7), head(0x04, b"none", opaque=8)))


def dns():
    port = free_port(socket.SOCK_DGRAM)
    start("dnsmasq", "--no-daemon", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv",
          "--no-hosts", "--address=/shop.example/10.0.0.7", "--address=/shop.example/fd00::7", "--local=/example/",
          "--txt-record=text.example,hello", "--srv-host=_db._tcp.example,db.example,5432",
          "--cname=www.example,shop.example", port=port, udp=True)
    if not (len(sys.argv) > 1 and not any("dns".startswith(a) for a in sys.argv[1:])):
        tape = Tape()
        front = relay_udp(port, tape)
        for what in ("shop.example A", "shop.example AAAA", "WWW.shop.EXAMPLE A", "text.example TXT",
                     "_db._tcp.example SRV", "missing.example A", "elsewhere.test A", "shop.example HTTPS"):
            run("dig", "@127.0.0.1", "-p", str(front), "+tries=1", "+time=2", *what.split())
        run("dig", "@127.0.0.1", "-p", str(front), "+noedns", "+tries=1", "+time=2", "shop.example", "A")
        tape.save("dns.udp")
    record("dns-stream", port, lambda p: run("dig", "@127.0.0.1", "-p", str(p), "+tcp", "shop.example", "A"))


def databases():
    folder = f"{WORK}/my"
    os.makedirs(folder)
    shutil.chown(WORK, "mysql")
    os.chmod(WORK, 0o755)
    shutil.chown(folder, "mysql")
    run("mariadb-install-db", "--user=mysql", f"--datadir={folder}", "--skip-test-db")
    port = free_port()
    start("mariadbd", "--no-defaults", "--user=mysql", f"--datadir={folder}", f"--port={port}", f"--socket={WORK}/my/s",
          "--bind-address=127.0.0.1", port=port)
    run("mariadb", f"--socket={WORK}/my/s", "-e", "create user u@localhost identified by 'secret'; create user u@'127.0.0.1' "
        "identified by 'secret'; create database d; grant all on d.* to u@'127.0.0.1'")
    sql = "create table t(a int, b text); insert into t values (1,'secret'),(2,null); select * from t where a = 1; select nope; "
    record("mysql", port, lambda p: run("mariadb", "-h", "127.0.0.1", "-P", str(p), "-u", "u", "-psecret", "--skip-ssl",
                                        "-f", "d", "-e", sql))
    folder = f"{WORK}/pg"
    os.makedirs(folder)
    shutil.chown(folder, "postgres")
    as_pg = dict(user="postgres", cwd="/tmp")
    binaries = sorted(os.listdir("/usr/lib/postgresql"))[-1]
    tool = lambda name: f"/usr/lib/postgresql/{binaries}/bin/{name}"
    subprocess.run([tool("initdb"), "-A", "trust", "-D", folder], stdout=subprocess.DEVNULL, **as_pg)
    port = free_port()
    start(tool("postgres"), "-D", folder, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", port=port, **as_pg)
    time.sleep(1)
    record("pgsql", port, lambda p: run("psql", f"host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=prefer", "-c",
                                        sql.split(";")[0], "-c", sql.split(";")[1], "-c", sql.split(";")[2], "-c", "select nope"))


def others():
    """What no parser of ours may take for its own."""
    port = free_port()
    run("dropbearkey", "-t", "ed25519", "-f", f"{WORK}/host")
    start("dropbear", "-F", "-r", f"{WORK}/host", "-p", f"127.0.0.1:{port}", "-s", port=port)
    record("other-ssh", port, lambda p: run("ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                                            "-o", "BatchMode=yes", "-p", str(p), "nobody@127.0.0.1", "true"))
    talks = {
        "other-smtp": [(b"<", b"220 mail.example ESMTP Postfix\r\n"), (b">", b"EHLO client.example\r\n"),
                       (b"<", b"250-mail.example\r\n250-SIZE 10240000\r\n250 STARTTLS\r\n"), (b">", b"MAIL FROM:<a@b.example>\r\n"),
                       (b"<", b"250 2.1.0 Ok\r\n"), (b">", b"QUIT\r\n"), (b"<", b"221 2.0.0 Bye\r\n")],
        "other-ftp": [(b"<", b"220 FTP server ready.\r\n"), (b">", b"USER anonymous\r\n"), (b"<", b"331 Please specify the password.\r\n"),
                      (b">", b"PASS secret\r\n"), (b"<", b"230 Login successful.\r\n"), (b">", b"QUIT\r\n")],
        "other-pop3": [(b"<", b"+OK POP3 ready\r\n"), (b">", b"USER bob\r\n"), (b"<", b"+OK\r\n"), (b">", b"PASS secret\r\n"),
                       (b"<", b"-ERR [AUTH] no\r\n"), (b">", b"STAT\r\n"), (b"<", b"+OK 2 320\r\n"), (b">", b"QUIT\r\n"), (b"<", b"+OK bye\r\n")],
        "other-irc": [(b">", b"NICK bob\r\nUSER bob 0 * :Bob\r\n"), (b"<", b":irc.example 001 bob :Welcome\r\nPING :12\r\n"),
                      (b">", b"PONG :12\r\n"), (b">", b"QUIT :bye\r\n")],
        "other-lines": [(b">", b"hello\n"), (b"<", b"hello\n"), (b">", b"get me out of here\n"), (b"<", b"OK\n"), (b">", b"1 2 3\r\n"), (b"<", b"6\r\n")],
        "other-json": [(b">", b'{"jsonrpc":"2.0","method":"eth_call","id":1}\n'), (b"<", b'{"jsonrpc":"2.0","id":1,"result":"0x1"}\n')] * 4,
        "other-mqtt": [(b">", bytes.fromhex("101400044d5154540402003c0008636c69656e743031")), (b"<", bytes.fromhex("20020000")),
                       (b">", bytes.fromhex("820800010003612f6200")), (b"<", bytes.fromhex("9003000100")),
                       (b"<", bytes.fromhex("300a0003612f6268656c6c6f")), (b">", bytes.fromhex("c000")), (b"<", bytes.fromhex("d000"))],
        "other-websocket": [(b">", bytes.fromhex("818537fa213d7f9f4d5158")), (b"<", bytes.fromhex("810548656c6c6f"))] * 4,
    }
    for seed in range(3):
        r = random.Random(seed)
        talks[f"other-random{seed}"] = [(r.choice([b">", b"<"]), r.randbytes(r.randint(1, 1500))) for _ in range(24)]
    r = random.Random(99)
    talks["other-zeros"] = [(b">", bytes(n)) if n % 2 else (b"<", bytes(n)) for n in range(1, 40)]
    talks["other-letters"] = [(r.choice([b">", b"<"]), bytes(r.choice(b"abcdefghijklmnopqrstuvwxyz \r\n$*+:0123456789") for _ in range(r.randint(1, 200))))
                              for _ in range(60)]
    for name, turns in talks.items():
        if len(sys.argv) > 1 and not any(name.startswith(a) for a in sys.argv[1:]):
            continue
        tape = Tape()
        for side, data in turns:
            tape.write(side, data)
        tape.save(name)
    # the same hostile bytes as datagrams: NTP, QUIC-like, random
    if not (len(sys.argv) > 1 and not any("other".startswith(a) for a in sys.argv[1:])):
        tape = Tape()
        tape.write(b">", bytes.fromhex("230006ec00000000000000000000000000000000000000000000000000000000000000000000000000000000"))
        tape.write(b">", bytes.fromhex("c300000001088394c8f03e5157080000449e00000002") + random.Random(5).randbytes(1178))
        for seed in range(60):
            r = random.Random(1000 + seed)
            tape.write(r.choice([b">", b"<"]), r.randbytes(r.randint(1, 600)))
        tape.save("other.udp")


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    try:
        for part in (http, redis, memcached, dns, databases, others):
            part()
    finally:
        for process in started:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(WORK, ignore_errors=True)
