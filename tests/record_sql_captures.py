#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records what real clients and servers say to each other, for the tests of the SQL parsers.

    tests/record_sql_captures.py [FOLDER]       default: src/protocol/testdata

Starts a PostgreSQL and a MariaDB of its own on loopback (packages: postgresql-15, mariadb-server,
postgresql-contrib for pgbench, sysbench, python3-psycopg2, python3-asyncpg, python3-pymysql), puts itself
between them and their clients, and writes one NAME.cap for each conversation, in the format of
record_captures.py: '>' from the client or '<' from the server, 4 bytes of length, the bytes; for each
piece of bytes as it moved. Needs root, as the servers do not run as root but as users of their own.
"""

import asyncio
import atexit
import os
import pathlib
import pwd
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

FOLDER = pathlib.Path(__file__).parent / "../src/protocol/testdata"
PASSWORD = "canary-pass-41"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Tap:
    """A door in front of a server; `with tap.on(name)` records the connections that go through it."""

    def __init__(self, port, folder=None):
        self.server_port, self.folder = port, folder or FOLDER
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.name, self.relays = None, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            self.relays.append(threading.Thread(target=self.relay, args=(client, self.name), daemon=True))
            self.relays[-1].start()

    def relay(self, client, name):
        server = socket.create_connection(("127.0.0.1", self.server_port))
        pieces, ends = [], [client, server]
        while len(ends) == 2:
            for end in select.select(ends, [], [])[0]:
                try:
                    data = end.recv(1 << 16)
                except ConnectionError:
                    data = b""
                if not data:
                    ends = []
                    break
                pieces.append((b">" if end is client else b"<") + struct.pack(">I", len(data)) + data)
                (server if end is client else client).sendall(data)
        client.close()
        server.close()
        if name:
            path = self.path(name)
            path.write_bytes(b"".join(pieces))
            if self.folder == FOLDER:
                print(f"{path.name}: {len(pieces)} pieces")

    def path(self, name):
        return self.folder / f"{name}.cap"

    def on(self, name):
        self.name = name
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for relay in self.relays:
            relay.join(10)
        self.name, self.relays = None, []


def run(*command, **more):
    more.setdefault("stdout", subprocess.DEVNULL)
    more.setdefault("stderr", subprocess.DEVNULL)
    return subprocess.run([str(word) for word in command], **more)


def start(user, *command):
    account = pwd.getpwnam(user)
    server = subprocess.Popen([str(word) for word in command], user=account.pw_uid, group=account.pw_gid,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(stop, server)
    return server


def stop(server):
    server.terminate()
    server.wait()


def until(ready):
    for _ in range(300):
        if ready():
            return
        time.sleep(0.1)
    sys.exit("a server did not start")


# PostgreSQL


def record_postgres(home):
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    data, port = home / "pg", free_port()
    shutil.chown(home, "postgres")
    account = pwd.getpwnam("postgres")
    run(binaries / "initdb", "-D", data, "-A", "trust", "--locale=C", "-E", "UTF8", user=account.pw_uid,
        group=account.pw_gid, check=True)
    hba = data / "pg_hba.conf"
    hba.write_text("host all canary 127.0.0.1/32 scram-sha-256\n"
                   "host all,replication all 127.0.0.1/32 trust\n")
    server = start("postgres", binaries / "postgres", "-D", data, "-p", port, "-c",
                   "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}", "-c", "wal_level=logical")
    tap = Tap(port)
    direct = ["-h", "127.0.0.1", "-p", port, "-U", "postgres"]
    through = ["-h", "127.0.0.1", "-p", tap.port, "-U", "postgres"]
    environment = dict(os.environ, PGSSLMODE="disable", PGGSSENCMODE="disable", PGAPPNAME="recorder")
    until(lambda: run("psql", *direct, "-c", "select 1", "postgres").returncode == 0)
    run("pgbench", *direct, "-i", "-s", "1", "postgres", check=True)
    run("psql", *direct, "-c", f"create role canary login password '{PASSWORD}'; create table t (id int primary"
        " key, name text, big text); insert into t select i, 'name ' || i, repeat('x', 100) from generate_series(1, 60) i",
        "postgres", check=True)

    def psql(name, *commands, env=environment, arguments=()):
        words = [word for command in commands for word in ("-c", command)]
        with tap.on(name):
            run("psql", *through, *arguments, *words, "postgres", env=env)

    psql("pgsql-simple", "select id, name from t where id = 7 and name <> 'secret zq1'", "select 1; select 2, 'zq2'",
         "select nothing from nowhere", "update t set name = 'zq3' where id in (1, 2, 3)", "")
    psql("pgsql-prefer", "select 1", env=dict(environment, PGSSLMODE="prefer"))
    psql("pgsql-copy", "copy (select id, name from t order by id limit 5) to stdout",
         "\\copy t (id, name) from program 'printf \"901\\tzq4\\n902\\tzq5\\n\"'",
         "\\copy t (id, name) from program 'printf \"broken\\n\"'", "delete from t where id > 900")
    psql("pgsql-rows", "select * from t order by id", "select count(*) from t")
    psql("pgsql-password", "select 1", env=dict(environment, PGPASSWORD=PASSWORD), arguments=("-U", "canary"))
    psql("pgsql-denied", "select 1", env=dict(environment, PGPASSWORD="zq6"), arguments=("-U", "canary"))
    with tap.on("pgsql-replication"):
        run("timeout", "2", binaries / "pg_recvlogical", *through, "-d", "postgres", "--slot", "s", "--create-slot",
            "--start", "-f", "/dev/null", env=environment)
    for mode in ("simple", "extended", "prepared"):
        with tap.on(f"pgsql-pgbench-{mode}"):
            run("pgbench", *through, "-n", "-S", "-t", "4", "-M", mode, "postgres", env=environment)
    script = home / "pipeline.sql"
    script.write_text("\\startpipeline\nselect name from t where id = 1;\nupdate t set name = 'zq7' where id = 2;\n"
                      "select 'zq8' from t where id = 3;\n\\endpipeline\n")
    with tap.on("pgsql-pipeline"):
        run("pgbench", *through, "-n", "-t", "2", "-M", "extended", "-f", script, "postgres", env=environment)
    with tap.on("pgsql-asyncpg"):
        asyncio.run(use_asyncpg(tap.port))
    with tap.on("pgsql-psycopg2"):
        use_psycopg2(tap.port)
    stop(server)


async def use_asyncpg(port):
    import asyncpg

    connection = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres", database="postgres", ssl=False)
    statement = await connection.prepare("select name from t where id = $1")
    await statement.fetchval(3)
    await statement.fetchval(4)
    async with connection.transaction():
        async for _ in connection.cursor("select id from t where id < $1", 12, prefetch=5):
            pass
    await connection.executemany("insert into t (id, name) values ($1, $2)", [(i, "zq9") for i in range(700, 705)])
    try:
        await connection.execute("insert into t (id) values ($1)", 1)
    except asyncpg.UniqueViolationError:
        pass
    try:
        await connection.fetch("select broken from t")
    except asyncpg.PostgresError:
        pass
    heard = asyncio.Event()
    await connection.add_listener("channel_a", lambda *_: heard.set())
    await connection.execute("notify channel_a, 'zq10'")
    await heard.wait()
    await connection.copy_records_to_table("t", records=[(800, "zq11", "b"), (801, "zq12", "b")])
    await connection.execute("delete from t where id >= 700")
    await connection.close()


def use_psycopg2(port):
    import psycopg2

    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres", sslmode="disable",
                                  gssencmode="disable")
    with connection, connection.cursor() as cursor:
        cursor.execute("select name from t where id = %s /*traceparent='00-0af7651916cd43dd8448eb211c80319c-"
                       "b7ad6b7169203331-01'*/", (5,))
        cursor.execute("insert into t (id, name) values (%s, %s), (%s, %s)", (600, "zq13", 601, "it's"))
    with connection, connection.cursor("named") as cursor:
        cursor.execute("select id from t")
        cursor.fetchmany(3)
    with connection, connection.cursor() as cursor:
        cursor.execute("delete from t where id in %s", ((600, 601),))
    connection.close()


# MariaDB


def record_mariadb(home):
    data, port = home / "my", free_port()
    data.mkdir()
    shutil.chown(home, "mysql")
    shutil.chown(data, "mysql")
    run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql", "--auth-root-authentication-method=normal",
        "--skip-test-db", check=True)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=recorder", "-keyout", home / "key.pem",
        "-out", home / "cert.pem", check=True)
    shutil.chown(home / "key.pem", "mysql")
    server = start("mysql", "mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
                   f"--socket={home}/my.sock", "--local-infile=1", f"--ssl-cert={home}/cert.pem", f"--ssl-key={home}/key.pem")
    tap = Tap(port)
    direct = ["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", port, "-u", "root"]
    through = ["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", tap.port]
    until(lambda: run("mariadb", *direct, "-e", "select 1").returncode == 0)
    run("mariadb", *direct, text=True, check=True, input=f"""create database shop; create user canary@'127.0.0.1' identified by '{PASSWORD}';
        grant all on *.* to canary@'127.0.0.1'; use shop; create table t (id int primary key, name text, big text);
        insert into t select seq, concat('name ', seq), repeat('x', 100) from seq_1_to_60;
        delimiter //
        create procedure two() begin select 1; select id from t limit 2; end//""")

    def mariadb(name, script, *arguments, user=("-u", "canary", f"-p{PASSWORD}"), tls="--skip-ssl"):
        with tap.on(name):
            run("mariadb", *through, *user, tls, "-f", *arguments, "shop", input=script, text=True)

    mariadb("mysql-simple", "select id, name from t where id = 7 and name <> \"zq1\";\nselect nothing from nowhere;\n"
            "update t set name = 'zq2' where id in (1, 2, 3);\nselect * from t where id < 0;\nuse mysql\nselect 'zq3';\n")
    mariadb("mysql-multi", "delimiter //\nselect 1; select 'zq4'; update t set name = 'zq5' where id = 9//\n"
            "call two()//\nselect 1; select broken; select 2//\n")
    mariadb("mysql-rows", "select * from t order by id;\nselect count(*) from t;\n")
    local = home / "in.txt"
    local.write_text("".join(f"{i}\tzq{i}\tb\n" for i in range(500, 520)))
    mariadb("mysql-infile", f"load data local infile '{local}' into table t;\nload data local infile '/nowhere' into table t;\n"
            "delete from t where id >= 500;\n", "--local-infile=1")
    mariadb("mysql-denied", "select 1;\n", user=("-u", "canary", "-pzq6"))
    mariadb("mysql-compressed", "select 1;\nselect * from t;\n", "--compress")
    mariadb("mysql-tls", "select 1;\n", tls="--ssl")
    sysbench = ["sysbench", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=canary", f"--mysql-password={PASSWORD}",
                "--mysql-db=shop", "--tables=1", "--table-size=20", "--threads=1", "--events=2", "--time=0", "--mysql-ssl=off"]
    run(*sysbench, f"--mysql-port={port}", "oltp_read_write", "prepare", check=True)
    with tap.on("mysql-prepared"):
        run(*sysbench, f"--mysql-port={tap.port}", "oltp_read_write", "run", check=True)
    with tap.on("mysql-pymysql"):
        use_pymysql(tap.port)
    server.terminate()
    server.wait()


def use_pymysql(port):
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=port, user="canary", password=PASSWORD, database="shop")
    with connection.cursor() as cursor:
        cursor.execute("select name from t where id = %s", (5,))
        cursor.executemany("insert into t (id, name) values (%s, %s)", [(i, "it's zq7") for i in range(600, 603)])
        cursor.callproc("two")
        while cursor.nextset():
            pass
        cursor.execute("delete from t where id >= 600")
        cursor.execute("set sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
        cursor.execute("select 'zq8\\', 'zq9'")
    connection.ping()
    connection.select_db("mysql")
    connection.commit()
    connection.close()


def main():
    global FOLDER
    FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER).resolve()
    os.umask(0o022)
    for record in (record_postgres, record_mariadb):
        with tempfile.TemporaryDirectory() as home:
            record(pathlib.Path(home))


if __name__ == "__main__":
    main()
