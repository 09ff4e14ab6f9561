// SPDX-License-Identifier: GPL-2.0-only
// numbers - rate, errors and p50 on Overview, Services, Service and Requests against what wrk, pgbench and redis-benchmark say.
//
// Tolerances: counts 3 % (a request may lie at the edge of the range), share of errors 3 %, p50 30 % or 60 µs: the generators measure in
// user space, on a machine that may be busy, and sonde from write to read of the socket. wrk corrects its percentiles for requests that it
// did not send while it waited, so its p50 is an upper bound for what was really measured; ab's is compared both ways.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { api, base, check, near, numberOf, notOk, start, until, work } from "./kit.mjs";

const SECONDS = 12;

async function makeTraffic() {
  const nginx = `http://127.0.0.1:${process.env.NGINX_PORT}/`;
  writeFileSync(`${work}/mix.lua`, 'local n = 0\nrequest = function() n = n + 1; return wrk.format("GET", n % 10 == 0 and "/missing" or "/") end\n');
  const begin = Date.now();
  const wrk = start("wrk", ["-t1", "-c2", `-d${SECONDS}s`, "--latency", "-s", `${work}/mix.lua`, nginx]);
  const pgbench = start("pgbench", ["-h", "127.0.0.1", "-p", process.env.PG_PORT, "-U", "postgres", "-n", "-S", "-c", "1", "-R", "200", "-T", String(SECONDS), "--log", `--log-prefix=${work}/pgbench`, "postgres"]);
  const redis = start("redis-benchmark", ["-p", process.env.REDIS_PORT, "-n", "4000", "-c", "1", "-t", "get", "--csv"]);
  const [wrkSays, , redisSays] = await Promise.all([wrk.done, pgbench.done, redis.done]);
  await start("ab", ["-k", "-c", "1", "-n", "8000", "-e", `${work}/ab.csv`, nginx]).done;
  const ab = Number(/^50,([\d.]+)$/m.exec(readFileSync(`${work}/ab.csv`, "utf8"))[1]) / 1000;
  const end = Date.now();
  const latencies = readdirSync(work).filter((name) => name.startsWith("pgbench.")).flatMap((name) => readFileSync(`${work}/${name}`, "utf8").trim().split("\n").map((line) => line.split(" ")));
  /* with -R: field 2 is the latency with the lag behind its schedule, 6 the lag (microseconds) */
  const own = latencies.map((fields) => (Number(fields[2]) - Number(fields[6] ?? 0)) / 1e6).sort((a, b) => a - b);
  const wrkCount = Number(/(\d+) requests in/.exec(wrkSays)[1]);
  const redisFields = redisSays.split("\n").find((line) => line.startsWith('"GET"'))?.replace(/"/g, "").split(",") ?? [];
  return {
    begin, end,
    wrk: { count: wrkCount, errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(wrkSays)?.[1] ?? 0) / wrkCount, p50: numberOf(/50%\s+([\d.]+[a-z]+)/.exec(wrkSays)[1].replace(/([a-z]+)/, " $1")), atMost: true },
    ab: { count: 8000, errors: 0, p50: ab },
    pgbench: { count: own.length, errors: 0, p50: own[Math.floor(own.length / 2)] },
    "redis-benchmark": { count: 4000, errors: 0, p50: Number(redisFields[4]) / 1000 },
  };
}

/** The cells of the row that has these texts, by their column's title. */
export const rowOf = (page, label, ...texts) => page.evaluate(([name, wanted]) => {
  const table = document.querySelector(`table[aria-label="${name}"]`);
  if (!table) return null;
  const titles = [...table.querySelectorAll("th")].map((one) => one.innerText.replace(/ [↓↑]$/, ""));
  for (const row of table.querySelectorAll("tbody tr[data-row]")) {
    const cells = [...row.cells].map((cell) => cell.innerText.trim());
    if (wanted.every((text) => cells.includes(text))) return Object.fromEntries(titles.map((title, at) => [title, cells[at]]));
  }
  return null;
}, [label, texts]);

const p50Is = (name, got, wanted) => wanted.atMost ? check(`${name} (page ${got}, corrected by itself ${wanted.p50}, at most 30 % above)`, got > 0 && got <= wanted.p50 * 1.3 + 60e-6, `${got} is above ${wanted.p50}`) : near(name, got, wanted.p50, 0.3, 60e-6);

export async function compare(world, traffic, from, to, when) {
  const seconds = (to - from) / 1000, range = `range=${from}..${to}&filter=${encodeURIComponent(`port in (${process.env.NGINX_PORT}, ${process.env.PG_PORT}, ${process.env.REDIS_PORT})`)}`;
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 1400 } });
  const compareRow = (where, name, row) => {
    const wanted = traffic[name];
    if (!row) { notOk(`${when}: ${where} shows ${name}`, "no such row"); return; }
    near(`${when}: ${where}, requests of ${name}`, numberOf(row["req/s"]) * seconds, wanted.count, 0.03, 2);
    near(`${when}: ${where}, errors of ${name}`, numberOf(row.errors), wanted.errors, 0.03, 0.001);
    p50Is(`${when}: ${where}, p50 of ${name}`, numberOf(row.p50), wanted);
  };
  for (const [where, hash, label] of [["overview", `#/overview?${range}`, "services"], ["services", `#/service?${range}`, "services"]]) {
    const page = await world.open(context, hash);
    await until(() => rowOf(page, label, "wrk"), 60);
    for (const [name, protocol] of [["wrk", "http"], ["ab", "http"], ["pgbench", "postgresql"], ["redis-benchmark", "redis"]]) compareRow(where, name, await rowOf(page, label, name, protocol));
    const nginx = await rowOf(page, label, "nginx", "http");
    near(`${when}: ${where}, requests of nginx are those of wrk and ab`, nginx ? numberOf(nginx["req/s"]) * seconds : NaN, traffic.wrk.count + traffic.ab.count, 0.03, 10);
    await page.close();
  }
  for (const name of ["wrk", "ab", "pgbench"]) {
    const page = await world.open(context, `#/service/${name}?${range}`);
    const figures = await until(() => page.evaluate(() => { const all = [...document.querySelectorAll(".figure")].map((one) => [one.querySelector(".what").innerText, one.querySelector(".value").innerText]); return all.length >= 5 ? Object.fromEntries(all) : null; }), 60);
    near(`${when}: service ${name}, requests`, figures ? numberOf(figures.requests) * seconds : NaN, traffic[name].count, 0.03, 2);
    near(`${when}: service ${name}, errors`, figures ? numberOf(figures.errors) : NaN, traffic[name].errors, 0.03, 0.001);
    p50Is(`${when}: service ${name}, p50`, figures ? numberOf(figures.p50) : NaN, traffic[name]);
    await page.close();
  }
  const page = await world.open(context, `#/requests?by=operation&${range.replace(/filter=/, `filter=${encodeURIComponent("process = wrk and ")}`)}`);
  await until(() => rowOf(page, "operations", "wrk"), 60);
  const found = await page.evaluate(() => [...document.querySelectorAll('table[aria-label="operations"] tbody tr[data-row]')].map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
  near(`${when}: requests by operation, all of wrk together`, found.reduce((sum, cells) => sum + numberOf(cells[3]), 0) * seconds, traffic.wrk.count, 0.03, 2);
  const missing = found.find((cells) => cells[2].includes("/missing"));
  check(`${when}: requests by operation, what is missing fails always`, missing && numberOf(missing[4]) > 0.999, JSON.stringify(found));
  await page.close();
  const map = await world.open(context, `#/map?${range}`);
  const edge = await until(() => map.evaluate(() => document.querySelector('.edge[aria-label^="wrk asks nginx"]')?.getAttribute("aria-label")), 60);
  const says = (edge ?? "").replace(/[\u202f]/g, " ");
  near(`${when}: map, requests of wrk to nginx`, numberOf(/http ([\d.]+(?:\s*[kM])?)\/s/u.exec(says)?.[1] ?? "") * seconds, traffic.wrk.count, 0.03, 2);
  near(`${when}: map, errors of wrk`, numberOf(/, ([\d.]+ %) errors/u.exec(says)?.[1] ?? ""), traffic.wrk.errors, 0.03, 0.001);
  p50Is(`${when}: map, p50 of wrk`, numberOf(/p50 ([\d.]+ \S+),/u.exec(says)?.[1] ?? ""), traffic.wrk);
  const asked = await map.evaluate(() => document.querySelector('.edge[aria-label^="pgbench asks postgres"]')?.getAttribute("aria-label")?.replace(/[\u202f]/g, " ") ?? "");
  near(`${when}: map, requests of pgbench to postgres`, numberOf(/postgresql ([\d.]+(?:\s*[kM])?)\/s/u.exec(asked)?.[1] ?? "") * seconds, traffic.pgbench.count, 0.03, 2);
  p50Is(`${when}: map, p50 of pgbench`, numberOf(/p50 ([\d.]+ \S+),/u.exec(asked)?.[1] ?? ""), traffic.pgbench);
  await context.close();
}

/** kill -9 of both processes, and the same store again. */
async function killAndRestart(pid, ...settings) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).filter(Boolean).map(Number);
  for (const one of [...children, pid]) try { process.kill(one, "SIGKILL"); } catch { /* went with the other */ }
  await until(() => { try { process.kill(pid, 0); return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "); } catch { return true; } }, 20);
  const child = spawn(process.env.SONDE, ["run", "--set", `listen=[unix:${work}/sonde.sock, 127.0.0.1:${process.env.PAGE_PORT}]`, "--set", `store.path=${work}/store`, "--set", "store.interval=1s", "--set", `token_file=${work}/etc/token`, ...settings], { stdio: "ignore", detached: true });
  child.unref();
  writeFileSync(`${work}/agent.pid`, String(child.pid));
  check("after kill -9 the agent answers again", await until(async () => { try { return (await fetch(`${base}readyz`)).ok; } catch { return false; } }, 60));
}

let was; /* what was asked for, and when: looked at again when only roll-ups are left of that time */

export async function numbersAgree(world) {
  const traffic = await makeTraffic();
  const ports = { wrk: process.env.NGINX_PORT, ab: process.env.NGINX_PORT, pgbench: process.env.PG_PORT, "redis-benchmark": process.env.REDIS_PORT };
  const seen = async (name) => (await api(`v1/groups/requests?${new URLSearchParams({ from: new Date(traffic.begin - 500).toISOString(), filter: `kind = request_summary and process = ${name} and remote_port = ${ports[name]}` })}`)).groups[0]?.count ?? 0;
  for (const name of Object.keys(ports)) {
    check(`all requests of ${name} come into the history`, await until(async () => await seen(name) >= traffic[name].count * 0.98, 60), `${await seen(name)} of ${traffic[name].count}`);
  }
  const from = traffic.begin - 500, to = Date.now();
  await compare(world, traffic, from, to, "at once");
  /* metrics as they came are kept no longer than they must be: until they are rolled up */
  await killAndRestart(Number(process.env.AGENT_PID), "--set", "store.keep.samples=1s");
  await compare(world, traffic, from, to, "after kill -9");
  was = { traffic, from, to };
}

const promql = async (query, at) => Number((await api(`api/v1/query?${new URLSearchParams({ query, time: String(at / 1000) })}`)).data?.result[0]?.value[1]);

/** The same time once more, when its samples are gone and only windows of 15 seconds are left: figures and charts are made of sums. */
export async function numbersAgreeRolledUp(world) {
  const { traffic, from, to } = was;
  const kept = async () => (await api("v1/status")).store.tables.find((table) => table.name === "samples")?.from;
  check("samples as they came are gone", await until(async () => Date.parse(await kept() ?? "") > to, 900), await kept());
  await compare(world, traffic, from, to, "from roll-ups only");
  for (const name of ["wrk", "pgbench"]) {
    const asked = `sonde_request_duration_seconds_count{process="${name}",side="client"}`;
    near(`from roll-ups only: PromQL, requests of ${name}`, await promql(`sum(max_over_time(${asked}[10m]))`, to + 30000), traffic[name].count, 0.03, 2);
  }
  const mean = await promql("sum(increase(sonde_cpu_host_seconds_total{mode!~\"guest|guest_nice\"}[30s]))", to), cpus = Number((await start("nproc", []).done).trim());
  near("from roll-ups only: PromQL, seconds of all processors in half a minute", mean, 30 * cpus, 0.08, 0);
  const page = await world.open(await world.browser.newContext({ viewport: { width: 1440, height: 1400 } }), `#/overview?range=${from}..${to}`);
  const meter = await until(() => page.evaluate(() => { const found = [...document.querySelectorAll(".meter")].find((one) => one.querySelector(".what").innerText === "cpu")?.querySelector(".value").innerText; return found && found !== "-" && found; }), 60);
  const share = await promql(`1 - sum(rate(sonde_cpu_host_seconds_total{mode=~"idle|iowait"}[1m])) / sum(rate(sonde_cpu_host_seconds_total{mode!~"guest|guest_nice"}[1m]))`, to);
  near("from roll-ups only: the overview's meter of the CPU", numberOf(meter || ""), share, 0.3, 0.15);
  await page.context().close();
}
