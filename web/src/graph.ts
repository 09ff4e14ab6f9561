// SPDX-License-Identifier: GPL-2.0-only
// graph - what GET /v1/map tells, made into boxes and ways between them: one way for each pair, whatever the protocols.
import { ask } from "./api";
import type { Phase } from "./red";

export type Grouping = "service" | "pod" | "namespace" | "host";
export const GROUPINGS: Grouping[] = ["service", "pod", "namespace", "host"];

interface Times { count?: number; error_count?: number; p50_ns?: number; p90_ns?: number; p99_ns?: number; mean_ns?: number; filter?: string; }
export interface MapNode extends Times { id: string; name: string; kind: string; container?: string; pod?: string; namespace?: string; }
export interface MapEdge extends Times {
  client: string; server: string; protocol?: string; connections?: number; bytes?: number;
  send_ns?: number; wait_ns?: number; queue_ns?: number; process_ns?: number; download_ns?: number; network_ns?: number;
}
export interface MapAnswer { nodes: MapNode[]; edges: MapEdge[]; oldest?: string; partial?: string; left_out?: number; }

export interface Box { id: string; isOutside: boolean; kind: string; node?: MapNode; rate: number; errors: number; p50?: number; p99?: number; asks: number; }
export interface Link { id: string; from: string; to: string; parts: MapEdge[]; rate: number; errors: number; p50?: number; p99?: number; slower?: number; connections: number; bytes: number; }
export interface Graph { boxes: Map<string, Box>; links: Map<string, Link>; }

export const OUTSIDE = "outside callers";
export const linkId = (from: string, to: string) => `${from}\u0001${to}`;

export async function askMap(group: Grouping, filter: string, fromMs: number, toMs: number, connected: boolean, stop: AbortSignal): Promise<MapAnswer> {
  const words = new URLSearchParams({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() });
  if (filter) words.set("filter", filter);
  if (group !== "service") words.set("group", group);
  if (!connected) words.set("connections", "0");
  return ask<MapAnswer>(`v1/map?${words}`, { signal: stop });
}

/** Means of the phases of one request. What a client waits for beyond the network is the server's work. */
export function phasesOf(edges: MapEdge[]): Partial<Record<Phase, number>> {
  const all = edges.reduce((sum, edge) => sum + (edge.count ?? 0), 0) || 1;
  const mean = (pick: (edge: MapEdge) => number) => edges.reduce((sum, edge) => sum + pick(edge) * (edge.count ?? 0), 0) / all;
  const network = (edge: MapEdge) => Math.min(edge.network_ns ?? 0, edge.wait_ns ?? 0);
  const worked = (edge: MapEdge) => Math.max(edge.process_ns ?? 0, (edge.wait_ns ?? 0) - network(edge) - (edge.queue_ns ?? 0));
  return { send: mean((edge) => edge.send_ns ?? 0), network: mean(network), queue: mean((edge) => edge.queue_ns ?? 0), process: mean(worked), download: mean((edge) => edge.download_ns ?? 0) };
}

const greatest = (a: number | undefined, b: number | undefined) => a === undefined ? b : b === undefined ? a : Math.max(a, b);

export function graphOf(now: MapAnswer, before: MapAnswer | undefined, seconds: number): Graph {
  const boxes = new Map<string, Box>(), links = new Map<string, Link>();
  const of = new Map(now.nodes.map((node) => [node.id, node]));
  const box = (id: string): Box => {
    let one = boxes.get(id);
    const node = of.get(id);
    if (!one) boxes.set(id, one = { id, isOutside: !node || node.kind === "outside", kind: node?.kind ?? "outside", node, rate: (node?.count ?? 0) / seconds, errors: (node?.error_count ?? 0) / seconds, p50: node?.p50_ns, p99: node?.p99_ns, asks: 0 });
    return one;
  };
  const past = new Map((before?.edges ?? []).map((edge) => [`${linkId(edge.client, edge.server)}\u0001${edge.protocol}`, edge]));
  for (const edge of now.edges) {
    const id = linkId(edge.client, edge.server), from = box(edge.client), to = box(edge.server);
    let link = links.get(id);
    if (!link) links.set(id, link = { id, from: from.id, to: to.id, parts: [], rate: 0, errors: 0, connections: 0, bytes: 0 });
    const rate = (edge.count ?? 0) / seconds, errors = (edge.error_count ?? 0) / seconds, then = past.get(`${id}\u0001${edge.protocol}`);
    link.parts.push(edge);
    link.rate += rate;
    link.errors += errors;
    link.connections += edge.connections ?? 0;
    link.bytes += edge.bytes ?? 0;
    link.p99 = greatest(link.p99, edge.p99_ns);
    if ((link.parts[0]?.count ?? 0) <= (edge.count ?? 0)) link.p50 = edge.p50_ns;
    if (then?.p99_ns && edge.p99_ns && (then.count ?? 0) >= 20) link.slower = greatest(link.slower, edge.p99_ns / then.p99_ns);
    from.asks += rate;
    if (to.isOutside) { to.rate += rate; to.errors += errors; to.p99 = greatest(to.p99, edge.p99_ns); }
  }
  for (const node of now.nodes) if (node.kind !== "outside" && node.count) box(node.id);
  for (const link of links.values()) link.parts.sort((a, b) => (b.count ?? 0) - (a.count ?? 0));
  addOutside(boxes, links);
  return { boxes, links };
}

/** What is answered beyond what anybody here is seen to ask comes from outside. */
function addOutside(boxes: Map<string, Box>, links: Map<string, Link>) {
  const asked = new Map<string, number>();
  for (const link of links.values()) asked.set(link.to, (asked.get(link.to) ?? 0) + link.rate);
  for (const box of [...boxes.values()]) {
    const rest = box.rate - (asked.get(box.id) ?? 0);
    if (box.isOutside || rest <= box.rate * 0.05 || rest <= 0.02) continue;
    let outside = boxes.get(OUTSIDE);
    if (!outside) boxes.set(OUTSIDE, outside = { id: OUTSIDE, isOutside: true, kind: "outside", rate: 0, errors: 0, asks: 0 });
    outside.asks += rest;
    links.set(linkId(OUTSIDE, box.id), { id: linkId(OUTSIDE, box.id), from: OUTSIDE, to: box.id, parts: [], rate: rest, errors: 0, connections: 0, bytes: 0 });
  }
}

const MANY = 18, QUIET = 0.02;
/** A large map without those of whom nearly nothing is asked, and how many they are. */
export function withoutQuiet(graph: Graph): { graph: Graph; quiet: number } {
  const quiet = new Set([...graph.boxes.values()].filter((box) => box.rate + box.asks < QUIET).map((box) => box.id));
  if (graph.boxes.size <= MANY || !quiet.size) return { graph, quiet: 0 };
  const links = new Map([...graph.links].filter(([, link]) => !quiet.has(link.from) && !quiet.has(link.to)));
  return { graph: { ...graph, boxes: new Map([...graph.boxes].filter(([id]) => !quiet.has(id))), links }, quiet: quiet.size };
}

export const levelOf = (rate: number, errors: number, slower?: number) => rate > 0 && errors / rate >= 0.05 ? "bad" : rate > 0 && errors / rate >= 0.01 || (slower ?? 0) >= 3 ? "warn" : "";
