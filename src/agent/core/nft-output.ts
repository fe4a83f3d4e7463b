/** What `nft` prints, as far as somebody looks at it: what a table holds, and which line of a script it refuses. */
import type { Chain, NftSet, Table } from './nft-table.ts';

const OBJECT = /^\t(set|map|chain) (\S+) \{$/;
const MESSAGE = /^[^\s:]+:(\d+):[\d-]+: Error: (.*)$/m;
const LINE_CHARACTERS_MAX = 300;

export interface ListedObject {
  readonly kind: 'set' | 'map' | 'chain';
  readonly text: string;
}

/** The sets, maps and chains of `nft list table`, each with its text, by its name. */
export function parseListing(text: string): Map<string, ListedObject> {
  const found = new Map<string, ListedObject>();
  let open: { readonly kind: ListedObject['kind']; readonly name: string; readonly lines: string[] } | undefined;
  for (const line of text.split('\n')) {
    const [, kind, name] = OBJECT.exec(line) ?? [];
    if (name !== undefined) open = { kind: kind === 'chain' || kind === 'map' ? kind : 'set', name, lines: [] };
    open?.lines.push(line);
    if (line !== '\t}' || open === undefined) continue;
    found.set(open.name, { kind: open.kind, text: open.lines.join('\n') });
    open = undefined;
  }
  return found;
}

/**
 * A table as far as a listing tells: elements are read, rules are not, so that every chain counts as changed. What packets
 * have left in sets is passed over.
 */
export function tableOfListing(name: string, text: string): Table {
  const sets = new Map<string, NftSet>();
  const chains = new Map<string, Chain>();
  for (const [object, { kind, text: own }] of parseListing(text)) {
    if (kind === 'chain') chains.set(object, { name: object, rules: [] });
    else sets.set(object, { name: object, type: '', isMap: kind === 'map', elements: isDynamic(own) ? new Map() : elementsOf(own) });
  }
  return { name, sets, chains };
}

function elementsOf(text: string): Map<string, string | undefined> {
  const [, list = ''] = /\n\t\telements = \{([^}]*)\}/.exec(text) ?? [];
  const elements = list.split(',').map((element) => element.trim().replace(/\s+/g, ' ')).filter((element) => element !== '');
  return new Map(elements.map((element) => {
    const [key = '', verdict] = element.split(' : ');
    // What goes elsewhere than to a chain is none of ours, and goes away.
    return [key, verdict?.replace(/^goto /, '')];
  }));
}

function isDynamic(text: string): boolean {
  return /^\t\tflags .*dynamic/m.test(text);
}

/** There are limits to a message to the kernel, lower ones for who is not root of the machine. */
export function isTooLong(stderr: string): boolean {
  return stderr.includes('Message too long');
}

/** Names of what differs between two listings; what packets have left in sets does not count. */
export function differingObjects(a: string, b: string): string[] {
  const [left, right] = [parseListing(a), parseListing(b)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].filter((name) => comparable(left.get(name)?.text) !== comparable(right.get(name)?.text)).sort();
}

function comparable(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  return isDynamic(text) ? text.replace(/\n\t\telements = \{[^}]*\}/, '') : text;
}

/** nft's first error, with the line of the script that it is about. */
export function describeRefusal(stderr: string, script: string): string {
  const [, line, message] = MESSAGE.exec(stderr) ?? [];
  if (line === undefined) return stderr.trim().split('\n')[0] ?? '';
  const rule = script.split('\n')[Number(line) - 1] ?? '';
  return `${message ?? ''} in: ${rule.length > LINE_CHARACTERS_MAX ? `${rule.slice(0, LINE_CHARACTERS_MAX)}…` : rule}`;
}
