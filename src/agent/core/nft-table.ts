/**
 * A table of nftables as data, as far as the service proxy needs one, and as the text that `nft -f` reads.
 *
 * Rules are typed, not texts, so that a test can ask what they do with a packet. Everything in a table goes by its name,
 * and what cannot be changed of a set (its type, its timeout) is part of the set's name: so two tables differ in what
 * there is, in the elements of a set, or in the rules of a chain, and never in anything else.
 *
 * Names are parsed as one word by nft if they begin with a letter and hold letters, digits, `/`, `-`, `_` and `.`; what
 * nft's grammar has for a word of its own (`reject`, `mark`) cannot be a name.
 */
import { assert } from '../../base/assert.ts';
import type { Target } from './service-endpoints.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** All of a rule's have to hold. */
export type Match =
  | { readonly on: 'source' | 'destination'; readonly cidrs: readonly string[]; readonly isNot?: boolean }
  | { readonly on: 'source-in' | 'destination-in'; readonly set: string }
  | { readonly on: 'source-is-local' | 'destination-is-local'; readonly isNot?: boolean }
  /** Source and destination, as they are when the packet leaves, are an element. */
  | { readonly on: 'pair-in'; readonly set: string }
  | { readonly on: 'marked' }
  /** The connection's destination was translated. */
  | { readonly on: 'translated' };

export type Action =
  | { readonly do: 'goto' | 'jump'; readonly chain: string }
  | { readonly do: 'accept' | 'return' | 'drop' | 'mark' | 'masquerade' }
  /** Of TCP alone; other packets go on to the next rule. */
  | { readonly do: 'reset' }
  /** By ICMP: port unreachable. */
  | { readonly do: 'refuse' }
  /** To the chain that the map has for destination, protocol and port; without one to the next rule. */
  | { readonly do: 'dispatch'; readonly by: 'service' | 'node-port'; readonly map: string }
  /** To one of the targets, at random. */
  | { readonly do: 'translate'; readonly protocol: Protocol; readonly targets: readonly Target[] }
  /** To one of the chains, at random. */
  | { readonly do: 'spread'; readonly chains: readonly string[] }
  /** The source becomes an element, for as long as the set's timeout from now. */
  | { readonly do: 'remember'; readonly set: string };

export interface Rule {
  readonly matches: readonly Match[];
  readonly action: Action;
}

export interface Chain {
  readonly name: string;
  /** Where packets come in from the kernel; undefined: from other chains alone. */
  readonly hook?: string;
  readonly rules: readonly Rule[];
}

/** A set, or a map to chains. */
export interface NftSet {
  readonly name: string;
  readonly type: string;
  readonly isMap: boolean;
  /** Filled by packets, each element for so long; it has no elements of ours. */
  readonly timeoutSeconds?: number;
  /** Of a map to the chain that is gone to, of a set to undefined. */
  readonly elements: ReadonlyMap<string, string | undefined>;
}

export interface Table {
  readonly name: string;
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly chains: ReadonlyMap<string, Chain>;
}

/** A bit of the packet's mark, from where a destination is chosen to where the packet leaves. */
const MARK = '0x4000';
/** Clients that an endpoint is remembered for; who finds no room goes to any endpoint the next time. */
const REMEMBERED_MAX = 65_535;
/** In one line of a script, so that an error names a line that can be read. */
const ELEMENTS_PER_LINE = 100;

export function dispatchKey(by: 'service' | 'node-port', address: string, protocol: Protocol, port: number): string {
  return by === 'service' ? `${address} . ${protocol} . ${port}` : `${protocol} . ${port}`;
}

// --- text

/**
 * Lines that have to be in one transaction, for in between packets would go astray: the rules of a chain, the two halves
 * of a changed element. Whole scripts are made of units, in an order in which they may also be applied in several
 * transactions: what is referred to is there before, and nothing refers any more to what goes.
 */
export type Unit = readonly string[];

/** What makes the table, in place of one that may be there. */
export function tableUnits(table: Table): Unit[] {
  return [[`add table ip ${table.name}`, `delete table ip ${table.name}`, `add table ip ${table.name}`], ...units(EMPTY, table)];
}

/** What makes the second table out of the first; none: there is nothing to do. */
export function differenceUnits(before: Table, after: Table): Unit[] {
  assert(before.name === after.name, 'the two are states of one table');
  return units(before, after);
}

export function tableText(table: Table): string {
  return scriptOf(tableUnits(table));
}

export function differenceText(before: Table, after: Table): string {
  return scriptOf(differenceUnits(before, after));
}

export function scriptOf(some: readonly Unit[]): string {
  return some.flat().map((line) => `${line}\n`).join('');
}

/** Scripts of no more than so many characters, but for units that are longer. */
export function packUnits(some: readonly Unit[], charactersMax: number): string[] {
  const scripts: string[] = [];
  let open = '';
  for (const unit of some) {
    const text = scriptOf([unit]);
    if (open !== '' && open.length + text.length > charactersMax) {
      scripts.push(open);
      open = '';
    }
    open += text;
  }
  return open === '' ? scripts : [...scripts, open];
}

const EMPTY = { sets: new Map<string, NftSet>(), chains: new Map<string, Chain>() };

function units(before: Omit<Table, 'name'>, { name, sets, chains }: Table): Unit[] {
  const newSets = [...sets.values()].filter((set) => !before.sets.has(set.name));
  const newChains = [...chains.values()].filter((chain) => !before.chains.has(chain.name));
  const goneChains = [...before.chains.keys()].filter((chain) => !chains.has(chain));
  const goneSets = [...before.sets.values()].filter((set) => !sets.has(set.name));
  const changed: Unit[] = [];
  const isChanged = (chain: Chain) => {
    const known = before.chains.get(chain.name);
    return known !== chain && (known === undefined || !isSameChain(known, chain));
  };
  const changedChains = [...chains.values()].filter(isChanged);
  // Those with a hook last: what they go to is whole then.
  for (const chain of changedChains.sort((a, b) => Number(a.hook !== undefined) - Number(b.hook !== undefined))) {
    const known = before.chains.get(chain.name);
    changed.push([...(known === undefined ? [] : [`flush chain ip ${name} ${chain.name}`]), ...rulesText(name, chain)]);
  }
  const elements = [...sets.values()].flatMap((set) => elementUnits(name, before.sets.get(set.name), set));
  return [
    ...newSets.map((set) => [declareSet(name, set)]),
    ...newChains.map((chain) => [declareChain(name, chain)]),
    ...changed,
    ...elements,
    ...goneChains.map((chain) => [`flush chain ip ${name} ${chain}`]),
    ...goneChains.map((chain) => [`delete chain ip ${name} ${chain}`]),
    ...goneSets.map((set) => [`delete ${kindOf(set)} ip ${name} ${set.name}`]),
  ];
}

function elementUnits(table: string, before: NftSet | undefined, after: NftSet): Unit[] {
  if (before === after) return [];
  const gone = before === undefined ? [] : changedKeys(before, after);
  const added = before === undefined ? [...after.elements.keys()] : changedKeys(after, before);
  const exchanged = new Set(gone.filter((key) => after.elements.has(key)));
  const lines = (verb: 'add' | 'delete', set: NftSet | undefined, keys: readonly string[]) => (set === undefined ? [] : elementLines(verb, table, set, keys));
  return [
    ...[...exchanged].map((key) => [...lines('delete', before, [key]), ...lines('add', after, [key])]),
    ...lines('delete', before, gone.filter((key) => !exchanged.has(key))).map((line) => [line]),
    ...lines('add', after, added.filter((key) => !exchanged.has(key))).map((line) => [line]),
  ];
}

/** nft does not know a map by the word `set`, but for its elements. */
function kindOf({ isMap }: Pick<NftSet, 'isMap'>): string {
  return isMap ? 'map' : 'set';
}

/** The keys of `from` that the other has not, or has for something else. */
function changedKeys(from: NftSet, other: NftSet): string[] {
  const keys: string[] = [];
  for (const [key, chain] of from.elements) if (!other.elements.has(key) || other.elements.get(key) !== chain) keys.push(key);
  return keys;
}

function isSameChain(a: Chain, b: Chain): boolean {
  return a.rules.length === b.rules.length && a.rules.every((rule, at) => rule === b.rules[at] || ruleText(rule) === ruleText(b.rules[at]!));
}

function declareSet(table: string, { name, type, isMap, timeoutSeconds }: NftSet): string {
  const dynamic = timeoutSeconds === undefined ? '' : ` size ${REMEMBERED_MAX}; flags dynamic,timeout; timeout ${timeoutSeconds}s;`;
  return `add ${kindOf({ isMap })} ip ${table} ${name} { type ${type};${dynamic} }`;
}

function declareChain(table: string, { name, hook }: Chain): string {
  return `add chain ip ${table} ${name}${hook === undefined ? '' : ` { ${hook}; }`}`;
}

function rulesText(table: string, { name, rules }: Chain): string[] {
  return rules.map((rule) => `add rule ip ${table} ${name} ${ruleText(rule)}`);
}

function elementLines(verb: 'add' | 'delete', table: string, { name, elements }: NftSet, keys: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < keys.length; at += ELEMENTS_PER_LINE) {
    const texts = keys.slice(at, at + ELEMENTS_PER_LINE).map((key) => {
      const chain = elements.get(key);
      return chain === undefined ? key : `${key} : goto ${chain}`;
    });
    lines.push(`${verb} element ip ${table} ${name} { ${texts.join(', ')} }`);
  }
  return lines;
}

export function ruleText({ matches, action }: Rule): string {
  return [...matches.map(matchText), actionText(action)].join(' ');
}

function matchText(match: Match): string {
  switch (match.on) {
    case 'source':
    case 'destination': {
      const side = match.on === 'source' ? 'saddr' : 'daddr';
      const among = match.cidrs.length === 1 ? match.cidrs[0] : `{ ${match.cidrs.join(', ')} }`;
      return `ip ${side} ${match.isNot === true ? '!= ' : ''}${among}`;
    }
    case 'source-in':
      return `ip saddr @${match.set}`;
    case 'destination-in':
      return `ip daddr @${match.set}`;
    case 'source-is-local':
    case 'destination-is-local':
      return `fib ${match.on === 'source-is-local' ? 'saddr' : 'daddr'} type ${match.isNot === true ? '!= ' : ''}local`;
    case 'pair-in':
      return `ip saddr . ip daddr @${match.set}`;
    case 'marked':
      return `meta mark & ${MARK} == ${MARK}`;
    case 'translated':
      return 'ct status dnat';
  }
}

function actionText(action: Action): string {
  switch (action.do) {
    case 'goto':
    case 'jump':
      return `${action.do} ${action.chain}`;
    case 'accept':
    case 'return':
    case 'drop':
      return action.do;
    case 'mark':
      return `meta mark set meta mark or ${MARK}`;
    case 'masquerade':
      // The bit has done its work; others that look at marks need not know of it.
      return `meta mark set meta mark & 0xffffbfff masquerade`;
    case 'reset':
      return 'meta l4proto tcp reject with tcp reset';
    case 'refuse':
      return 'reject with icmp port-unreachable';
    case 'dispatch':
      return `${action.by === 'service' ? 'ip daddr . ' : ''}meta l4proto . th dport vmap @${action.map}`;
    case 'translate':
      return translateText(action.protocol, action.targets);
    case 'spread':
      return `numgen random mod ${action.chains.length} vmap { ${action.chains.map((chain, at) => `${at} : goto ${chain}`).join(', ')} }`;
    case 'remember':
      return `update @${action.set} { ip saddr }`;
  }
}

function translateText(protocol: Protocol, targets: readonly Target[]): string {
  assert(targets.length > 0, 'there is somewhere to go to');
  const [only] = targets;
  if (targets.length === 1 && only !== undefined) return `meta l4proto ${protocol} dnat to ${only.address}:${only.port}`;
  const map = targets.map(({ address, port }, at) => `${at} : ${address} . ${port}`).join(', ');
  return `meta l4proto ${protocol} dnat ip addr . port to numgen random mod ${targets.length} map { ${map} }`;
}
