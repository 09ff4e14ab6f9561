// SPDX-License-Identifier: GPL-2.0-only
// alerts - what fires and what is watched: each rule with what it means and what to do.
import { ask, useAsk, Refusal } from "./api";
import { adviceOf, askAlerts, evidenceOf, type Rule, type RuleGroup, titleOf } from "./alertdata";
import { Facts, Failed, Name, Pane, Skeleton, State, When } from "./parts";
import { addressOf, go, place } from "./place";
import { Table, type TableColumn } from "./table";
import { plural, seconds } from "./units";

interface RuleRow { rule: Rule; group: string; }
const stateOf = (rule: Rule) => rule.state ?? (rule.alerts?.some((one) => one.state === "firing") ? "firing" : rule.alerts?.length ? "pending" : "inactive");
const CLASS: Record<string, string> = { firing: "bad", pending: "warn", inactive: "faint" };
const RANK: Record<string, number> = { firing: 0, pending: 1, inactive: 2 };
const SAYS: Record<string, string> = { firing: "firing", pending: "pending", inactive: "quiet" };

const RULES: TableColumn<RuleRow>[] = [
  { name: "state", width: 84, value: (row) => RANK[stateOf(row.rule)] ?? 3, cell: (row) => <span class={CLASS[stateOf(row.rule)]}>{SAYS[stateOf(row.rule)] ?? stateOf(row.rule)}</span>, phone: "side" },
  { name: "rule", width: "22%", value: (row) => row.rule.name, cell: (row) => <Name text={row.rule.name} />, phone: "main" },
  { name: "group", width: "12%", value: (row) => row.group, cell: (row) => <span class="dim"><Name text={row.group} /></span> },
  { name: "for", width: 72, numeric: true, value: (row) => row.rule.duration, cell: (row) => row.rule.duration ? seconds(row.rule.duration) : "at once", help: "how long it has to hold before it fires" },
  { name: "severity", width: 84, value: (row) => row.rule.labels.severity, cell: (row) => row.rule.labels.severity ?? "-", phone: "subside" },
  { name: "says", title: "what it means", cell: (row) => <span class="dim"><Name text={row.rule.annotations.description ?? row.rule.annotations.summary ?? row.rule.query} cut={200} /></span>, phone: "sub" },
];

const labelsToShow = (labels: Record<string, string>) => Object.fromEntries(Object.entries(labels).filter(([name]) => name !== "alertname"));

export function Alerts() {
  const alerts = useAsk("alerts view", (stop) => askAlerts(stop));
  const rules = useAsk("rules", async (stop) => {
    try { return (await ask<{ data: { groups: RuleGroup[] } }>("api/v1/rules", { signal: stop })).data.groups; } catch (error) { if (error instanceof Refusal && (error.status === 404 || error.status === 501)) return []; throw error; }
  });
  if (alerts.error && !alerts.data) return <div class="view"><Failed error={alerts.error} /></div>;
  if (alerts.loading && alerts.data === undefined) return <div class="view"><Skeleton lines={10} /></div>;
  if (alerts.data === null) return <div class="view"><State title="This agent has no alert rules."><p>What stands out is said on the <a href={addressOf({ view: "overview" })}>overview</a> all the same.</p></State></div>;
  const active = [...(alerts.data ?? [])].sort((a, b) => (RANK[a.state] ?? 3) - (RANK[b.state] ?? 3));
  const rows = (rules.data ?? []).flatMap((group) => group.rules.filter((rule) => rule.type !== "recording").map((rule): RuleRow => ({ rule, group: group.name })));
  const firing = active.filter((one) => one.state === "firing").length;
  const open = rows.find((row) => `${row.group} ${row.rule.name}` === place.value.open);
  return <>
    <div class="view">
      <section aria-label="active alerts">
        {active.length === 0 ? <p class="calm"><span class="dot" />Nothing fires. {rows.length ? `${plural(rows.length, "rule is", "rules are")} watched.` : ""}</p> : <>
          <div class="section-head"><h2>{firing ? `${plural(firing, "alert fires", "alerts fire")}` : "Nothing fires yet"}</h2>{active.length > firing && <span class="dim">{active.length - firing} pending</span>}</div>
          <ul class="looks">{active.map((alert, at) => <li key={at}><span class={`dot ${alert.state === "firing" ? (alert.labels.severity === "warning" ? "warn" : "bad") : "off"}`} role="img" aria-label={alert.state} />
            <span class="says"><Name text={titleOf(alert)} cut={400} /><small>{adviceOf(alert) && <Name text={adviceOf(alert)} cut={400} />}</small><small class="faint">{alert.state}{alert.activeAt && <> since <When ms={Date.parse(alert.activeAt)} /></>}{" · "}<Name text={Object.entries(labelsToShow(alert.labels)).map(([name, value]) => `${name} ${value}`).join(", ")} cut={300} /></small></span>
            <span class="links"><a href={evidenceOf(alert)}>see the evidence</a></span></li>)}</ul></>}
      </section>
      <section aria-label="rules"><div class="section-head"><h2>Rules</h2></div>
        {rules.error && !rules.data ? <Failed error={rules.error} /> : !rules.data ? <Skeleton /> : rows.length === 0 ? <p class="faint">There are none.</p>
          : <Table label="rules" columns={RULES} rows={rows} id={(row) => `${row.group} ${row.rule.name}`} sort="state" limit={300} chosen={place.value.open} choose={(row) => go({ open: `${row.group} ${row.rule.name}` }, !!place.value.open)} />}
      </section>
    </div>
    {place.value.open && <Pane title={<Name text={open?.rule.name ?? "Rule"} />}>{open ? <>
      <p><Name text={open.rule.annotations.description ?? open.rule.annotations.summary ?? ""} cut={600} /></p>
      {open.rule.alerts?.length ? <section aria-label="now"><div class="section-head"><h3>Now</h3></div><ul class="looks">{open.rule.alerts.map((alert, at) => <li key={at}><span class={`dot ${alert.state === "firing" ? "bad" : "off"}`} role="img" aria-label={alert.state} /><span class="says"><Name text={titleOf(alert)} cut={300} /></span><a href={evidenceOf(alert)}>evidence</a></li>)}</ul></section> : null}
      {adviceOf(open.rule) && <section aria-label="what to do"><div class="section-head"><h3>What to do</h3></div><p><Name text={adviceOf(open.rule)} cut={1000} /></p></section>}
      <section aria-label="expression"><div class="section-head"><h3>Expression</h3></div><p class="mono" style={{ overflowWrap: "anywhere", background: "var(--ground-2)", padding: "6px 8px", borderRadius: 4 }}><Name text={open.rule.query} cut={4000} /></p></section>
      {open.rule.lastError && <p class="bad" role="alert"><Name text={open.rule.lastError} /></p>}
      <Facts of={{ state: stateOf(open.rule), group: open.group, for: open.rule.duration ? seconds(open.rule.duration) : "at once", ...open.rule.labels }} filters={false} />
    </> : <State title="There is no such rule." />}</Pane>}
  </>;
}
