// SPDX-License-Identifier: GPL-2.0-only
// filter - the language of filters (docs/records.md), read here so that rows already on the page answer to each key pressed, and
// so that what can be said with labels of metrics is asked of metrics too. The agent reads it again for what is asked of it.

export type Node =
  | { kind: "and" | "or"; parts: Node[] }
  | { kind: "not"; part: Node }
  | { kind: "there"; column: string }
  | { kind: "compare"; column: string; op: string; values: Value[]; pattern?: RegExp };
export interface Value { text: string; quoted: boolean; number?: number; }
export class Mistake extends Error {
  constructor(message: string, readonly at: number) { super(message); }
}
type Token = { kind: "word" | "text" | "op" | "end"; text: string; at: number };

const UNITS: Record<string, number> = {
  ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9, d: 86400e9, w: 604800e9,
  B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, k: 1e3, "%": 1,
};

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    let match: RegExpExecArray | null;
    if ((match = /^\s+/.exec(rest))) { at += match[0].length; continue; }
    if ((match = /^(!=|!~|<=|>=|=|<|>|~|\(|\)|,)/.exec(rest))) found.push({ kind: "op", text: match[1]!, at });
    else if ((match = /^"((?:[^"\\]|\\.)*)"|^'((?:[^'\\]|\\.)*)'/.exec(rest))) {
      found.push({ kind: "text", text: (match[1] ?? match[2] ?? "").replace(/\\(["'\\])/g, "$1"), at });
    } else if (/^["']/.test(rest)) throw new Mistake("the quote is not closed", at);
    else if ((match = /^[^\s()=!<>~,"']+/.exec(rest))) found.push({ kind: "word", text: match[0], at });
    else throw new Mistake(`'${rest[0]}' has no place here`, at);
    at += match![0].length;
  }
  found.push({ kind: "end", text: "", at: text.length });
  return found;
}

function asNumber(text: string): number | undefined {
  const match = /^(-?\d+(?:\.\d+)?)([A-Za-z%]*)$/.exec(text);
  if (!match) return undefined;
  if (!match[2]) return Number(match[1]);
  const unit = UNITS[match[2]];
  return unit === undefined ? undefined : Number(match[1]) * unit;
}

class Reader {
  at = 0;
  constructor(readonly all: Token[]) {}
  get next() { return this.all[this.at]!; }
  isWord(word: string) { return this.next.kind === "word" && this.next.text.toLowerCase() === word; }
  take() { return this.all[this.at++]!; }

  either(): Node {
    const parts = [this.both()];
    while (this.isWord("or")) { this.take(); parts.push(this.both()); }
    return parts.length === 1 ? parts[0]! : { kind: "or", parts };
  }
  both(): Node {
    const parts = [this.single()];
    while (this.isWord("and")) { this.take(); parts.push(this.single()); }
    return parts.length === 1 ? parts[0]! : { kind: "and", parts };
  }
  single(): Node {
    if (this.isWord("not")) { this.take(); return { kind: "not", part: this.single() }; }
    if (this.next.text === "(" && this.next.kind === "op") {
      this.take();
      const inside = this.either();
      this.expect(")");
      return inside;
    }
    if (this.next.kind !== "word") throw new Mistake("the name of a column is wanted here", this.next.at);
    return this.comparison(this.take());
  }
  expect(text: string) {
    if (this.next.kind !== "op" || this.next.text !== text) throw new Mistake(`'${text}' is wanted here`, this.next.at);
    this.take();
  }
  value(): Value {
    const token = this.take();
    if (token.kind === "text") return { text: token.text, quoted: true, number: undefined };
    if (token.kind !== "word") throw new Mistake("a value is wanted here", token.at);
    return { text: token.text, quoted: false, number: asNumber(token.text) };
  }
  list(): Value[] {
    this.expect("(");
    const values = [this.value()];
    while (this.next.kind === "op" && this.next.text === ",") { this.take(); values.push(this.value()); }
    this.expect(")");
    return values;
  }
  comparison(column: Token): Node {
    if (this.isWord("in")) { this.take(); return { kind: "compare", column: column.text, op: "=", values: this.list() }; }
    if (this.isWord("not") && this.all[this.at + 1]?.text.toLowerCase() === "in") {
      this.at += 2;
      return { kind: "compare", column: column.text, op: "!=", values: this.list() };
    }
    if (this.next.kind !== "op" || !/^(=|!=|<|<=|>|>=|~|!~)$/.test(this.next.text)) return { kind: "there", column: column.text };
    const op = this.take().text, value = this.value();
    const node: Node = { kind: "compare", column: column.text, op, values: [value] };
    if (op === "~" || op === "!~") {
      try { node.pattern = new RegExp(value.text, "s"); } catch { throw new Mistake("this is no regular expression", this.all[this.at - 1]!.at); }
    }
    return node;
  }
}

/** null for an empty text; throws a Mistake. */
export function parse(text: string): Node | null {
  if (!text.trim()) return null;
  const reader = new Reader(tokens(text));
  const node = reader.either();
  if (reader.next.kind !== "end") throw new Mistake("'and' or 'or' is wanted here", reader.next.at);
  return node;
}

export type Row = Record<string, unknown>;

function cellsOf(row: Row, column: string): unknown[] {
  if (column === "port") return [row.local_port, row.remote_port, row.port];
  if (column === "addr") return [row.local_addr, row.remote_addr, row.addr];
  if (column === "path" && row.path === undefined) return [row.target, row.resource];
  return [row[column]];
}

function globOf(text: string): RegExp | null {
  if (!/[*?]/.test(text)) return null;
  return new RegExp(`^${text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".")}$`, "s");
}

function holds(cell: unknown, op: string, value: Value, pattern?: RegExp): boolean {
  if (pattern) return pattern.test(String(cell));
  const left = typeof cell === "number" ? cell : asNumber(String(cell));
  if (value.number !== undefined && left !== undefined) {
    if (op === "=") return left === value.number;
    return op === "<" ? left < value.number : op === "<=" ? left <= value.number : op === ">" ? left > value.number : left >= value.number;
  }
  const text = String(cell);
  if (op === "=") { const glob = globOf(value.text); return glob ? glob.test(text) : text === value.text; }
  return op === "<" ? text < value.text : op === "<=" ? text <= value.text : op === ">" ? text > value.text : text >= value.text;
}

export function matches(node: Node | null, row: Row): boolean {
  if (!node) return true;
  switch (node.kind) {
    case "and": return node.parts.every((part) => matches(part, row));
    case "or": return node.parts.some((part) => matches(part, row));
    case "not": return !matches(node.part, row);
    case "there": return cellsOf(row, node.column).some((cell) => cell !== undefined && cell !== false);
    case "compare": {
      const cells = cellsOf(row, node.column).filter((cell) => cell !== undefined);
      if (node.op === "!=") return !cells.some((cell) => node.values.some((value) => holds(cell, "=", value)));
      if (node.op === "!~") return !cells.some((cell) => holds(cell, "~", node.values[0]!, node.pattern));
      return cells.some((cell) => node.values.some((value) => holds(cell, node.op, value, node.pattern)));
    }
  }
}

const quoted = (text: string) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => c);
const escaped = (text: string) => text.replace(/[.+^${}()|[\]\\*?]/g, "\\$&");

/** Matchers for metrics that have these labels, and what of the filter can't be said of metrics. */
export function matchers(node: Node | null, labels: readonly string[]): { text: string; left: string[] } {
  const found: string[] = [], left: string[] = [];
  const visit = (part: Node) => {
    if (part.kind === "and") { part.parts.forEach(visit); return; }
    if (part.kind === "compare" && labels.includes(part.column) && /^(=|!=|~|!~)$/.test(part.op)) {
      if (part.op === "~" || part.op === "!~") {
        found.push(`${part.column}${part.op === "~" ? "=~" : "!~"}${quoted(`(?s).*(?:${part.values[0]!.text}).*`)}`);
      } else if (part.values.length === 1 && !/[*?]/.test(part.values[0]!.text)) {
        found.push(`${part.column}${part.op}${quoted(part.values[0]!.text)}`);
      } else {
        const any = part.values.map((value) => escaped(value.text).replace(/\\\*/g, ".*").replace(/\\\?/g, "."));
        found.push(`${part.column}${part.op}~${quoted(any.join("|"))}`.replace("=~", "=~").replace("!=~", "!~"));
      }
      return;
    }
    left.push(write(part));
  };
  if (node) visit(node);
  return { text: found.join(","), left };
}

export function write(node: Node): string {
  switch (node.kind) {
    case "and": case "or": return node.parts.map((part) => part.kind === "and" || part.kind === "or" ? `(${write(part)})` : write(part)).join(` ${node.kind} `);
    case "not": return `not (${write(node.part)})`;
    case "there": return node.column;
    case "compare": {
      const texts = node.values.map((value) => value.quoted ? quoted(value.text) : value.text);
      return texts.length === 1 ? `${node.column} ${node.op} ${texts[0]}` : `${node.column} ${node.op === "=" ? "in" : "not in"} (${texts.join(", ")})`;
    }
  }
}

/** A condition as text, quoted where it must be. */
export const condition = (column: string, op: string, value: string | number) =>
  `${column} ${op} ${typeof value === "number" || /^[A-Za-z0-9_./:-]+$/.test(value) ? value : quoted(value)}`;

/** The filter with one more condition; one on the same column and operator is replaced. */
export function withCondition(text: string, column: string, op: string, value: string | number): string {
  const fresh = condition(column, op, value);
  let node: Node | null;
  try { node = parse(text); } catch { return fresh; }
  if (!node) return fresh;
  const parts = node.kind === "and" ? node.parts : [node];
  const kept = parts.filter((part) => !(part.kind === "compare" && part.column === column && part.op === op));
  return [...kept.map((part) => part.kind === "or" ? `(${write(part)})` : write(part)), fresh].join(" and ");
}

/** Every column that is named in it. */
export function columnsOf(node: Node | null): string[] {
  if (!node) return [];
  if (node.kind === "and" || node.kind === "or") return node.parts.flatMap(columnsOf);
  if (node.kind === "not") return columnsOf(node.part);
  return [(node as { column: string }).column];
}

/** The part of a filter that rows with these columns can be asked, and the rest. A mistake in it leaves all of it. */
export function applicable(text: string, columns: readonly string[]): { text: string; left: string[] } {
  let node: Node | null;
  try { node = parse(text); } catch { return { text: "", left: text ? [text] : [] }; }
  if (!node) return { text: "", left: [] };
  const has = (name: string) => columns.includes(name) || (name === "port" && columns.includes("local_port")) ||
    (name === "addr" && columns.includes("local_addr")) || (name === "path" && columns.includes("target"));
  const parts = node.kind === "and" ? node.parts : [node];
  const kept: string[] = [], left: string[] = [];
  for (const part of parts) (columnsOf(part).every(has) ? kept : left).push(part.kind === "or" ? `(${write(part)})` : write(part));
  return { text: kept.join(" and "), left };
}
