/**
 * Connections of UDP that the kernel remembers go on to where they once went, however often a client sends anew: what was
 * sent to an endpoint that is gone now would be lost for as long as somebody goes on sending. So those are forgotten when
 * endpoints go, and those to a destination that has just become a service's. (TCP ends by itself, and ends in order.)
 */
import type { Table } from './nft-table.ts';

/** A line of `conntrack -L -p udp`. */
export interface Flow {
  /** As the client sees it. */
  readonly address: string;
  readonly port: number;
  /** Who answers. */
  readonly replyAddress: string;
  readonly replyPort: number;
}

/** `address:port` of those that may answer, by how the table knows the destination. */
export type Destinations = ReadonlyMap<string, ReadonlySet<string>>;

const FLOW = /^udp\s.*?\bdst=(\S+) sport=\d+ dport=(\d+) .*?\bsrc=(\S+) dst=\S+ sport=(\d+) /;

export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const [, address, port, replyAddress, replyPort] = FLOW.exec(line) ?? [];
    if (address === undefined || replyAddress === undefined) return [];
    return [{ address, port: Number(port), replyAddress, replyPort: Number(replyPort) }];
  });
}

/** Where UDP goes to. */
export function udpDestinations(table: Table): Destinations {
  const found = new Map<string, ReadonlySet<string>>();
  for (const name of ['service-ips', 'node-ports']) {
    for (const [key, chain] of table.sets.get(name)?.elements ?? []) {
      if (chain === undefined || !(key.startsWith('udp ') || key.includes(' udp '))) continue;
      const targets = new Set<string>();
      collect(table, chain, targets, new Set());
      found.set(key, targets);
    }
  }
  return found;
}

function collect(table: Table, name: string, into: Set<string>, seen: Set<string>): void {
  if (seen.has(name)) return;
  seen.add(name);
  for (const { action } of table.chains.get(name)?.rules ?? []) {
    if (action.do === 'translate') for (const { address, port } of action.targets) into.add(`${address}:${port}`);
    if (action.do === 'goto' || action.do === 'jump') collect(table, action.chain, into, seen);
    if (action.do === 'spread') for (const chain of action.chains) collect(table, chain, into, seen);
  }
}

/** The destinations of which flows may be stale now; before is undefined where nothing is known. */
export function staleDestinations(before: Destinations | undefined, after: Destinations): string[] {
  if (before === undefined) return [...after.keys()];
  const gone = [...before.keys()].filter((key) => !after.has(key));
  const changed = [...after].filter(([key, targets]) => {
    const known = before.get(key);
    return known === undefined || [...known].some((target) => !targets.has(target));
  });
  return [...gone, ...changed.map(([key]) => key)];
}

/** Of the flows, those to one of the destinations and not to one of its targets; each kind once. */
export function staleFlows(flows: readonly Flow[], keys: readonly string[], after: Destinations): Flow[] {
  const suspects = new Set(keys);
  const stale = new Map<string, Flow>();
  for (const flow of flows) {
    const { address, port, replyAddress, replyPort } = flow;
    const key = [`${address} . udp . ${port}`, `udp . ${port}`].find((one) => suspects.has(one));
    if (key === undefined || after.get(key)?.has(`${replyAddress}:${replyPort}`) === true) continue;
    stale.set(`${address}:${port} ${replyAddress}:${replyPort}`, flow);
  }
  return [...stale.values()];
}
