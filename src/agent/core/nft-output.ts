/** What `nft` prints, as far as somebody looks at it: what a table holds, and which line of a script it refuses. */

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

/** Names of what differs between two listings; what packets have left in sets does not count. */
export function differingObjects(a: string, b: string): string[] {
  const [left, right] = [parseListing(a), parseListing(b)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].filter((name) => comparable(left.get(name)?.text) !== comparable(right.get(name)?.text)).sort();
}

function comparable(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  return /^\t\tflags .*dynamic/m.test(text) ? text.replace(/\n\t\telements = \{[^}]*\}/, '') : text;
}

/** nft's first error, with the line of the script that it is about. */
export function describeRefusal(stderr: string, script: string): string {
  const [, line, message] = MESSAGE.exec(stderr) ?? [];
  if (line === undefined) return stderr.trim().split('\n')[0] ?? '';
  const rule = script.split('\n')[Number(line) - 1] ?? '';
  return `${message ?? ''} in: ${rule.length > LINE_CHARACTERS_MAX ? `${rule.slice(0, LINE_CHARACTERS_MAX)}…` : rule}`;
}
