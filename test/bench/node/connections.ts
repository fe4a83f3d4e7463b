/**
 * What a service adds to a connection: from one pod to another, directly and by the address of one service among 1,000
 * in nftables; and on loopback, directly and through the userspace proxy. By turns, one connection after the other: opened,
 * a line read, closed.
 */
import { NftablesProxy } from '../../../src/agent/nftables/nftables-proxy.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { endpoint, manyServices, node, service, slice } from '../../agent/nftables/objects.ts';
import { makeNetwork, Peer } from '../../agent/nftables/network.ts';
import { median } from '../report.ts';
import type { Row } from './node.ts';

const CONNECTIONS = 400;
const CLUSTER_IP = '10.97.0.10';

interface Place {
  readonly peer: Peer;
  readonly address: string;
  readonly port: number;
}

export async function benchConnections(rounds: number): Promise<readonly Row[]> {
  const network = await makeNetwork(2);
  const peers = [...network.pods, network.node, network.node, network.node].map((namespace) => new Peer(namespace));
  const [server, client, onNode, proxyOnNode, clientOnNode] = peers as [Peer, Peer, Peer, Peer, Peer]; // five namespaces, above
  const rules = new NftablesProxy({ node, run: network.node.run, clock: systemClock, log: silentLog });
  try {
    await server.do({ do: 'serve', name: 'pod', port: 8080 });
    await onNode.do({ do: 'serve', name: 'local', port: 8080, address: '127.10.0.2' });
    const target = { address: '127.10.0.2', port: 8080 };
    await proxyOnNode.do({ do: 'proxy', rules: [{ key: '127.96.0.10:80', protocol: 'tcp', address: '127.96.0.10', port: 80, service: 'ns/web:http', targets: [target] }] });
    const { services, slices } = manyServices(1_000);
    rules.update([...services, service('measured', { clusterIP: CLUSTER_IP })], [...slices, slice('measured', [endpoint('10.244.7.2')])]);
    await rules.settled();
    const places = {
      podDirect: { peer: client, address: '10.244.7.2', port: 8080 },
      podByService: { peer: client, address: CLUSTER_IP, port: 80 },
      localDirect: { peer: clientOnNode, ...target },
      localByProxy: { peer: clientOnNode, address: '127.96.0.10', port: 80 },
    };
    const took = await measure(places, rounds);
    const ratio = (of: keyof typeof places, to: keyof typeof places) => median(took[of].map((value, at) => value / took[to][at]!)).toFixed(2);
    const micros = (of: keyof typeof places) => (1000 * median(took[of])).toFixed(0);
    return [
      [`a connection between pods, directly, median of ${rounds} × ${CONNECTIONS}, µs`, micros('podDirect'), ''],
      ['  by a service of nftables, µs', micros('podByService'), ''],
      ['  ratio', ratio('podByService', 'podDirect'), '1.0'],
      ['a connection on loopback, directly, µs', micros('localDirect'), ''],
      ['  by the userspace proxy, µs', micros('localByProxy'), ''],
      ['  ratio', ratio('localByProxy', 'localDirect'), '3'],
    ];
  } finally {
    await rules.close();
    for (const peer of peers) peer.close();
    network.close();
  }
}

/** Milliseconds a connection, of each round but the first one, which warms up. */
async function measure<T extends string>(places: Readonly<Record<T, Place>>, rounds: number): Promise<Record<T, number[]>> {
  const names = Object.keys(places) as T[]; // the keys of a record of T
  const took = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<T, number[]>; // one for each of them
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const { peer, address, port }: Place = places[name];
      const startedAtMs = performance.now();
      const answers = await peer.ask(address, port, CONNECTIONS);
      const each = (performance.now() - startedAtMs) / CONNECTIONS;
      const failed = answers.find((answer) => !answer.includes(' '));
      if (failed !== undefined) throw new Error(`${name}: ${failed}`);
      if (round > 0) took[name].push(each);
    }
  }
  return took;
}
