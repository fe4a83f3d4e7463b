/** What a table does with the first packet of a connection, by its rules: all that may come of it, where it is drawn. */
import { assert } from '../../../src/base/assert.ts';
import { dispatchKey, type Match, type Protocol, type Rule, type Table } from '../../../src/agent/core/nft-table.ts';

export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** Sets that the source is an element of. */
  readonly remembered?: readonly string[];
}

export interface Machine {
  readonly addresses: readonly string[];
}

/** `10.244.0.1:8080`, behind it ` masqueraded` if the source is exchanged; or a verdict. */
export type Outcome = string;

interface Step {
  readonly isMarked: boolean;
  /** undefined: went on behind the last rule. */
  readonly end: 'drop' | 'refuse' | 'return' | { readonly address: string; readonly port: number } | undefined;
  readonly lookups: number;
}

/** Every way, with how many maps and sets were looked into on it. */
export function outcomesOf(table: Table, packet: Packet, machine: Machine): { readonly outcomes: ReadonlySet<Outcome>; readonly lookups: number } {
  const outcomes = new Set<Outcome>();
  let lookups = 0;
  for (const step of walk({ table, packet, machine }, 'prerouting', false)) {
    lookups = Math.max(lookups, step.lookups);
    outcomes.add(leave(table, packet, step));
  }
  return { outcomes, lookups };
}

interface Scene {
  readonly table: Table;
  readonly packet: Packet;
  readonly machine: Machine;
}

function walk(scene: Scene, name: string, isMarkedBefore: boolean): Step[] {
  const chain = scene.table.chains.get(name);
  assert(chain !== undefined, `the chain ${name} is there`);
  return follow(scene, chain.rules, { isMarked: isMarkedBefore, end: undefined, lookups: 0 });
}

function follow(scene: Scene, rules: readonly Rule[], state: Step): Step[] {
  const [rule, ...rest] = rules;
  if (rule === undefined) return [state];
  const looked = state.lookups + rule.matches.filter(({ on }) => on.endsWith('-in')).length;
  const now = { ...state, lookups: looked };
  if (!rule.matches.every((match) => holds(scene, match, now))) return follow(scene, rest, now);
  const goTo = (chain: string, more = 0): Step[] =>
    walk(scene, chain, now.isMarked).map((step) => ({ ...step, lookups: now.lookups + step.lookups + more }));
  const { action } = rule;
  const { packet } = scene;
  switch (action.do) {
    case 'goto':
      return goTo(action.chain);
    case 'jump':
      return goTo(action.chain).flatMap((step) =>
        step.end === undefined || step.end === 'return' ? follow(scene, rest, { ...step, end: undefined }) : [step],
      );
    case 'mark':
      return follow(scene, rest, { ...now, isMarked: true });
    case 'remember':
      return follow(scene, rest, now);
    case 'drop':
    case 'return':
    case 'refuse':
      return [{ ...now, end: action.do }];
    case 'reset':
      return packet.protocol === 'tcp' ? [{ ...now, end: 'refuse' }] : follow(scene, rest, now);
    case 'dispatch': {
      const key = dispatchKey(action.by, packet.destination, packet.protocol, packet.port);
      const chain = scene.table.sets.get(action.map)!.elements.get(key);
      return chain === undefined ? follow(scene, rest, { ...now, lookups: now.lookups + 1 }) : goTo(chain, 1);
    }
    case 'translate':
      assert(action.protocol === packet.protocol, 'a service is of one protocol');
      return action.targets.map((end) => ({ ...now, end }));
    case 'spread':
      return action.chains.flatMap((chain) => goTo(chain));
    default:
      throw new Error(`${action.do} where destinations are chosen`);
  }
}

function holds({ table, packet, machine }: Scene, match: Match, state: Step): boolean {
  switch (match.on) {
    case 'source':
    case 'destination':
      return match.cidrs.some((cidr) => isIn(packet[match.on], cidr)) !== (match.isNot ?? false);
    case 'source-in':
      return (packet.remembered ?? []).includes(match.set);
    case 'destination-in':
      return table.sets.get(match.set)!.elements.has(packet.destination);
    case 'source-is-local':
      return machine.addresses.includes(packet.source) !== (match.isNot ?? false);
    case 'destination-is-local':
      return machine.addresses.includes(packet.destination) !== (match.isNot ?? false);
    case 'marked':
      return state.isMarked;
    default:
      throw new Error(`${match.on} where destinations are chosen`);
  }
}

/** The chain postrouting, for a packet with its new destination. */
function leave(table: Table, packet: Packet, { end, isMarked }: Step): Outcome {
  if (end === undefined || end === 'return') return 'untouched';
  if (typeof end === 'string') return end;
  const rules = table.chains.get('postrouting')!.rules;
  const isMasqueraded = rules.some(({ matches }) =>
    matches.every((match) => {
      if (match.on === 'marked') return isMarked;
      if (match.on === 'translated') return true;
      assert(match.on === 'pair-in', 'what postrouting looks at');
      return table.sets.get(match.set)!.elements.has(`${packet.source} . ${end.address}`);
    }),
  );
  return `${end.address}:${end.port}${isMasqueraded ? ' masqueraded' : ''}`;
}

export function isIn(address: string, cidr: string): boolean {
  const number = (text: string) => text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const [base = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(address) / size) === Math.floor(number(base) / size);
}
