#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Counts of the SQL parsers against the servers' own: pg_stat_statements, MariaDB's Com_ counters.

    tests/sql_counts.py BUILD       BUILD: a build folder, for BUILD/src/protocol/capture_count

Drives pgbench (simple, extended, prepared, pipelined) and sysbench (prepared and not) through a relay that
records every byte, lets the parsers count what was said, and compares. Needs what
record_sql_captures.py needs. Prints `ok NAME` and `not ok NAME: why`.
"""

import collections
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import record_sql_captures as record

COUNT = pathlib.Path(sys.argv[1]).resolve() / "src/protocol/capture_count"
failures = 0


def check(name, wanted, got):
    global failures
    failures += wanted != got
    print(f"ok {name} ({got})" if wanted == got else f"not ok {name}: wanted {wanted}, got {got}", flush=True)


class CountingTap(record.Tap):
    """Every connection into a file of its own."""

    connections = 0

    def path(self, name):
        self.connections += 1
        return self.folder / f"{name}-{self.connections}.cap"


def counted(protocol, files):
    """(operation, target) -> requests, answers, errors, rows; and what the tool says at the end"""
    result = subprocess.run([COUNT, protocol, *sorted(files)], capture_output=True, text=True, check=True)
    kinds = {}
    for line in result.stdout.splitlines():
        *numbers, operation, target = line.split("\t")
        kinds[operation, target] = [int(number) for number in numbers]
    return kinds, result.stderr.strip()


def shapes(protocol, statements):
    result = subprocess.run([COUNT, "--shape", protocol], input="\0".join(statements), capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def executed(kinds):
    counts = collections.Counter()
    for (operation, target), (_, answers, errors, _) in kinds.items():
        if operation not in ("PREPARE", "CONNECT", "QUIT", "DESCRIBE", "CLOSE", "SYNC"):
            counts[target] += answers - errors
    return counts


def count_postgres(home):
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    data, port, captures = home / "pg", record.free_port(), home / "captures"
    captures.mkdir()
    shutil.chown(home, "postgres")
    account = pwd.getpwnam("postgres")
    record.run(binaries / "initdb", "-D", data, "-A", "trust", "--locale=C", "-E", "UTF8", user=account.pw_uid, group=account.pw_gid,
               check=True)
    server = record.start("postgres", binaries / "postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c",
                          f"unix_socket_directories={home}", "-c", "shared_preload_libraries=pg_stat_statements", "-c", "fsync=off")
    tap = CountingTap(port, captures)
    direct = ["-h", "127.0.0.1", "-p", port, "-U", "postgres"]
    through = ["-h", "127.0.0.1", "-p", tap.port, "-U", "postgres"]
    environment = dict(os.environ, PGSSLMODE="disable", PGGSSENCMODE="disable")
    record.until(lambda: record.run("psql", *direct, "-c", "select 1", "postgres").returncode == 0)
    record.run("pgbench", *direct, "-i", "-s", "2", "postgres", check=True)
    record.run("psql", *direct, "-c", "create extension pg_stat_statements", "-c", "select pg_stat_statements_reset()", "postgres", check=True)
    pipeline = home / "pipeline.sql"
    pipeline.write_text("\\set a random(1, 100000)\n\\startpipeline\n" + "select abalance from pgbench_accounts where aid = :a;\n" * 20 +
                        "update pgbench_tellers set tbalance = tbalance + 1 where tid = 1;\n\\endpipeline\n")
    for mode in ("simple", "extended", "prepared"):
        for script in (["-S"], []):
            with tap.on(f"pgbench-{mode}{len(script)}"):
                record.run("pgbench", *through, "-n", "-c", "4", "-t", "250", "-M", mode, *script, "postgres", env=environment, check=True)
    with tap.on("pgbench-pipeline"):
        record.run("pgbench", *through, "-n", "-c", "2", "-t", "200", "-M", "extended", "-f", pipeline, "postgres", env=environment, check=True)
    answer = record.run("psql", *direct, "-At", "-F", "\t", "-R", "\x1e", "-c", "select calls, rows, query from pg_stat_statements where query"
                        " not like '%pg_stat_statements%'", "postgres", stdout=subprocess.PIPE, text=True, check=True).stdout
    record.stop(server)

    theirs = collections.Counter()
    rows = [row.split("\t", 2) for row in answer.strip("\n\x1e").split("\x1e")]
    for (calls, _, _), shape in zip(rows, shapes("postgresql", [row[2] for row in rows])):
        theirs[shape] += int(calls)
    kinds, end = counted("postgresql", captures.glob("*.cap"))
    ours = executed(kinds)
    # Of a utility statement that is prepared pg_stat_statements 1.10 sees the first execution only: it clears
    # the query id in the plan that is kept (pgss_ProcessUtility).
    unprepared = executed(counted("postgresql", set(captures.glob("*.cap")) - set(captures.glob("*prepared*.cap")))[0])
    for shape in ("BEGIN", "END"):
        ours[shape] = unprepared[shape] + 4
    check("postgresql: nothing unparsed or unpaired", "bad 0, unpaired 0, shapes forgotten 0, unknown 0", end)
    for shape in sorted(theirs | ours):
        check(f"postgresql: {shape[:60]}", theirs[shape], ours[shape])


def com_counters(direct):
    text = record.run("mariadb", *direct, "-NBe", "show global status like 'Com\\_%'", stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name.lower(): int(value) for name, value in (line.split("\t") for line in text.splitlines())}


def count_mariadb(home):
    data, port, captures = home / "my", record.free_port(), home / "captures"
    data.mkdir()
    captures.mkdir()
    for folder in (home, data):
        shutil.chown(folder, "mysql")
    record.run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql", "--auth-root-authentication-method=normal",
               "--skip-test-db", check=True)
    server = record.start("mysql", "mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
                          f"--socket={home}/my.sock", "--innodb-flush-log-at-trx-commit=0")
    tap = CountingTap(port, captures)
    direct = ["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", port, "-u", "root"]
    record.until(lambda: record.run("mariadb", *direct, "-e", "select 1").returncode == 0)
    record.run("mariadb", *direct, "-e", "create database shop; create user bench@'127.0.0.1'; grant all on *.* to bench@'127.0.0.1'", check=True)
    sysbench = ["sysbench", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=bench", "--mysql-db=shop", "--tables=2",
                "--table-size=1000", "--threads=2", "--time=0", "--events=150", "--mysql-ssl=off"]
    record.run(*sysbench, f"--mysql-port={port}", "oltp_read_write", "prepare", check=True)
    before = com_counters(direct)
    for modes in ("auto", "disable"):
        with tap.on(f"sysbench-{modes}"):
            record.run(*sysbench, f"--mysql-port={tap.port}", f"--db-ps-mode={modes}", "oltp_read_write", "run", check=True)
    with tap.on("client"):
        record.run("mariadb", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", tap.port, "-u", "bench", "--skip-ssl", "-f", "shop",
                   input="select 1;\nselect broken from nowhere;\nselect count(*) from sbtest1;\ndelete from sbtest1 where id < 0;\n" * 50, text=True)
    after = com_counters(direct)
    record.stop(server)

    theirs = {name: after[name] - before[name] for name in after}
    kinds, end = counted("mysql", captures.glob("*.cap"))
    ours = collections.Counter()
    for (operation, _), (requests, answers, _, _) in kinds.items():
        ours[operation] += requests
        if operation not in ("CLOSE", "QUIT") and requests != answers:
            check(f"mysql: {operation} answered", requests, answers)
    check("mysql: nothing unparsed or unpaired", "bad 0, unpaired 0, shapes forgotten 0, unknown 0", end)
    for operation in ("SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT"):
        check(f"mysql: {operation}", theirs[f"com_{operation.lower()}"], ours[operation])
    check("mysql: PREPARE", theirs["com_stmt_prepare"], ours["PREPARE"])
    check("mysql: CLOSE", theirs["com_stmt_close"], ours["CLOSE"])


def main():
    os.umask(0o022)
    for count in (count_postgres, count_mariadb):
        with tempfile.TemporaryDirectory() as home:
            count(pathlib.Path(home))
    sys.exit(failures != 0)


main()
