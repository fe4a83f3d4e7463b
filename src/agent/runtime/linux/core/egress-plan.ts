/**
 * The way out of a node's network, as commands. Two kinds of them:
 *
 *   masquerade, as root                                     pasta or slirp4netns, as an ordinary user
 *     node: egress0 169.254.a.c ═ veth ═ 169.254.a.b, machine   node: egress0 169.254.64.2 ═ a process of ours ─ its sockets
 *
 * Either way what leaves by egress0 has the node's address on it, so that outside nobody has to know of pods: the machine
 * gets no route into the cluster. On the machine there are a link and a table of nftables for each node, named by the
 * node's directory; what comes by the link under another address is dropped, and so is what is not an answer.
 */
import { assert } from '../../../../base/assert.ts';
import { formatAddress } from '../../../core/address-pool.ts';

export type EgressKind = 'masquerade' | 'pasta' | 'slirp4netns';
export type EgressChoice = EgressKind | 'auto' | 'none';

export interface EgressPair {
  /** Four addresses: the machine's end is the second one, the node's the third. */
  readonly machine: string;
  readonly node: string;
}

/** In the node's network. */
export const EGRESS_LINK = 'egress0';
/** Of nftables, there. */
export const NODE_TABLE = 'podium-egress';
/** Link-local (RFC 3927): of use between two neighbours, and nobody else's. The clouds' own address lies elsewhere in it. */
const FIRST_BLOCK = 0xa9_fe_40_00; // 169.254.64.0
const BLOCKS = 4_096;
const BLOCK_SIZE = 4;

/** What is tried, in this order. */
export function egressKinds(choice: EgressChoice, isRoot: boolean): readonly EgressKind[] {
  if (choice === 'none') return [];
  if (choice !== 'auto') return [choice];
  return isRoot ? ['masquerade'] : ['pasta', 'slirp4netns'];
}

/** `hash`: eight hex digits of the node. */
export function egressNames(hash: string): { readonly link: string; readonly table: string } {
  assert(/^[0-9a-f]{8}$/.test(hash), 'eight hex digits');
  return { link: `podium-${hash}`, table: `podium-egress-${hash}` };
}

/** A block that no address of the machine lies in; from a place on that is the node's own, so that two seldom meet. */
export function freePair(hash: string, taken: ReadonlySet<string>): EgressPair | undefined {
  const start = Number.parseInt(hash, 16) % BLOCKS;
  for (let step = 0; step < BLOCKS; step++) {
    const first = FIRST_BLOCK + ((start + step) % BLOCKS) * BLOCK_SIZE;
    const pair = { machine: formatAddress(first + 1), node: formatAddress(first + 2) };
    if (!taken.has(pair.machine) && !taken.has(pair.node)) return pair;
  }
  return undefined;
}

/** In the machine's network. */
export function machineLinkBatch(link: string, { machine }: EgressPair, holderPid: number): string {
  return lines([`link add ${link} type veth peer name ${EGRESS_LINK} netns ${holderPid}`, `addr add ${machine}/30 dev ${link}`, `link set ${link} up`]);
}

/** In the node's. */
export function nodeLinkBatch({ machine, node }: EgressPair): string {
  return lines([`addr add ${node}/30 dev ${EGRESS_LINK}`, `link set ${EGRESS_LINK} up`, `route replace default via ${machine}`]);
}

/** In the node's network: pods leave under the node's address. */
export function nodeEgressRules(): string {
  return replaceTable(NODE_TABLE, [
    `add chain ip ${NODE_TABLE} leaving { type nat hook postrouting priority 110; }`,
    `add rule ip ${NODE_TABLE} leaving oifname "${EGRESS_LINK}" masquerade`,
  ]);
}

/** In the machine's network. */
export function machineEgressRules(table: string, link: string, { node }: EgressPair): string {
  return replaceTable(table, [
    `add chain ip ${table} leaving { type nat hook postrouting priority 100; }`,
    `add rule ip ${table} leaving ip saddr ${node} oifname != "${link}" masquerade`,
    `add chain ip ${table} passing { type filter hook forward priority 0; }`,
    `add rule ip ${table} passing iifname "${link}" ip saddr != ${node} drop`,
    `add rule ip ${table} passing oifname "${link}" ct state != { established, related } drop`,
  ]);
}

export function tableRemoval(table: string): string {
  return lines([`add table ip ${table}`, `delete table ip ${table}`]);
}

/** Of the process that copies packets for the namespace that the holder holds; none of the machine's ports lead in. */
export function copierCommand(kind: Exclude<EgressKind, 'masquerade'>, program: string, holderPid: number): readonly string[] {
  const pid = String(holderPid);
  switch (kind) {
    case 'pasta':
      return [
        ...[program, '--foreground', '--stderr', '--quiet', '--config-net', '--ipv4-only', '--no-map-gw'],
        ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
        ...['--ns-ifname', EGRESS_LINK, '--address', '169.254.64.2', '--netmask', '30', '--gateway', '169.254.64.1', pid],
      ];
    case 'slirp4netns':
      return [program, '--configure', '--mtu=65520', '--disable-host-loopback', '--disable-dns', '--cidr=169.254.64.0/24', pid, EGRESS_LINK];
  }
}

function replaceTable(table: string, more: readonly string[]): string {
  return tableRemoval(table) + lines([`add table ip ${table}`, ...more]);
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('');
}
