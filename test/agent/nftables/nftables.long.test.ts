/** The service proxy on real connections between network namespaces, as root and as an ordinary user. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NftablesProxy } from '../../../src/agent/nftables/nftables-proxy.ts';
import type { ProxyNode } from '../../../src/agent/core/nft-services.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import type { EndpointSlice, Service } from '../../../src/client/objects.ts';
import { makeNetwork, missingForNetworks, NODE_ADDRESS, OUTSIDE_ADDRESS, Peer, until, type NodeNetwork } from './network.ts';
import { endpoint, node as nodeOfTests, service, slice, TERMINATING } from './objects.ts';
import type { LoadResult } from './peer.ts';

const node: ProxyNode = { ...nodeOfTests, nodeName: 'here' };
const CLUSTER_IP = '10.96.0.10';
const here = (last: number, conditions = { ready: true }) => endpoint(`10.244.7.${last}`, { node: 'here', conditions });

function skipOrFail(reason: string | undefined): boolean {
  if (reason !== undefined && process.env['CI'] !== undefined) throw new Error(reason);
  return reason !== undefined;
}

describe.each(['root', 'anybody'] as const)('as %s', (user) => {
  const reason = missingForNetworks(user);
  const isSkipped = skipOrFail(reason);
  let network: NodeNetwork;
  let proxy: NftablesProxy;
  let pods: Peer[];
  let outside: Peer;
  let onNode: Peer;

  beforeAll(async () => {
    if (isSkipped) return;
    network = await makeNetwork(3, user === 'anybody');
    pods = network.pods.map((pod) => new Peer(pod));
    outside = new Peer(network.outside);
    onNode = new Peer(network.node);
    await Promise.all(
      pods.map(async (pod, at) => {
        await pod.do({ do: 'serve', name: `pod${at}`, port: 8080 });
        await pod.do({ do: 'serve-udp', name: `pod${at}-udp`, port: 5353 });
      }),
    );
    proxy = new NftablesProxy({ node, run: network.node.run, clock: systemClock, log: silentLog });
  });

  afterAll(async () => {
    await proxy?.close();
    for (const peer of [...(pods ?? []), outside, onNode]) peer?.close();
    network?.close();
  });

  async function apply(services: readonly Service[], slices: readonly EndpointSlice[]): Promise<void> {
    const { failures } = proxy.stats;
    proxy.update(services, slices);
    await proxy.settled();
    expect(proxy.stats.failures).toBe(failures);
  }

  const namesIn = (answers: readonly string[]) => [...new Set(answers.map((answer) => answer.split(' ')[0]))].sort();
  const clientsIn = (answers: readonly string[]) => [...new Set(answers.map((answer) => answer.split(' ')[1]))].sort();
  const web = (spec: object = {}) => service('web', { clusterIP: CLUSTER_IP, ...spec });
  const nodePort = (spec: object = {}) => web({ type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }], ...spec });

  test.skipIf(isSkipped)(`a cluster address, from a pod, from the node and from outside; hairpin${reason === undefined ? '' : ` (${reason})`}`, async () => {
    await apply([web()], [slice('web', [here(2), here(3)])]);
    const fromPod = await pods[2]!.ask(CLUSTER_IP, 80, 20);
    expect(namesIn(fromPod)).toEqual(['pod0', 'pod1']);
    expect(clientsIn(fromPod)).toEqual(['10.244.7.4']);
    expect(namesIn(await onNode.ask(CLUSTER_IP, 80, 20))).toEqual(['pod0', 'pod1']);
    const fromOutside = await outside.ask(CLUSTER_IP, 80, 20);
    expect(namesIn(fromOutside)).toEqual(['pod0', 'pod1']);
    expect(clientsIn(fromOutside)).toEqual(['10.244.7.1']);
    await apply([web()], [slice('web', [here(2)])]);
    expect(await pods[0]!.ask(CLUSTER_IP, 80, 3)).toEqual(Array(3).fill('pod0 10.244.7.1'));
  });

  test.skipIf(isSkipped)('no endpoints: refused at once; another port too; an address that is nobody’s is dropped', async () => {
    await apply([nodePort(), service('dns', { clusterIP: '10.96.0.53', ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] })], []);
    const startedAtMs = systemClock.monotonic();
    expect(await pods[0]!.ask(CLUSTER_IP, 80, 2)).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    expect(await pods[0]!.ask(CLUSTER_IP, 81)).toEqual(['ECONNREFUSED']);
    expect(await outside.ask(NODE_ADDRESS, 30080)).toEqual(['ECONNREFUSED']);
    expect(await onNode.ask(CLUSTER_IP, 80)).toEqual(['ECONNREFUSED']);
    expect(await pods[0]!.askUdp('10.96.0.53', 53)).toBe('ECONNREFUSED');
    expect(systemClock.monotonic() - startedAtMs).toBeLessThan(2_500);
    expect(await pods[0]!.ask('10.96.0.11', 80, 1, 300)).toEqual(['TIMEOUT']);
  });

  test.skipIf(isSkipped)('a NodePort, from outside, from a pod, from the node and on its loopback', async () => {
    await apply([nodePort()], [slice('web', [here(2), here(3)])]);
    expect(namesIn(await outside.ask(NODE_ADDRESS, 30080, 20))).toEqual(['pod0', 'pod1']);
    expect(namesIn(await pods[0]!.ask(NODE_ADDRESS, 30080, 20))).toEqual(['pod0', 'pod1']);
    expect(namesIn(await onNode.ask(NODE_ADDRESS, 30080, 20))).toEqual(['pod0', 'pod1']);
    expect(namesIn(await onNode.ask('127.0.0.1', 30080, 20))).toEqual(['pod0', 'pod1']);
  });

  test.skipIf(isSkipped)('Local policies: the client’s address is kept, other nodes’ endpoints are not used', async () => {
    const elsewhere = endpoint('10.244.8.2');
    await apply([nodePort({ externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' })], [slice('web', [here(2), elsewhere])]);
    expect(await outside.ask(NODE_ADDRESS, 30080, 10)).toEqual(Array(10).fill(`pod0 ${OUTSIDE_ADDRESS}`));
    expect(await pods[2]!.ask(CLUSTER_IP, 80, 10)).toEqual(Array(10).fill('pod0 10.244.7.4'));
    await apply([nodePort({ externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' })], [slice('web', [elsewhere])]);
    expect(await outside.ask(NODE_ADDRESS, 30080, 1, 300)).toEqual(['TIMEOUT']);
    expect(await pods[2]!.ask(CLUSTER_IP, 80, 1, 300)).toEqual(['TIMEOUT']);
  });

  test.skipIf(isSkipped)('an affinity holds for its time, over changes of other endpoints and a new agent, and ends with its endpoint', async () => {
    const sticky = (timeoutSeconds: number) => web({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
    await apply([sticky(600)], [slice('web', [here(2), here(3), here(4)])]);
    const [first = ''] = await outside.ask(CLUSTER_IP, 80);
    expect(namesIn(await outside.ask(CLUSTER_IP, 80, 12))).toEqual([first.split(' ')[0]]);
    const last = 2 + Number(first.charAt(3));
    const other = [2, 3, 4].find((one) => one !== last)!;
    await apply([sticky(600)], [slice('web', [here(last), here(other)])]);
    await proxy.close();
    proxy = new NftablesProxy({ node, run: network.node.run, clock: systemClock, log: silentLog });
    await apply([sticky(600)], [slice('web', [here(last), here(other)])]);
    expect(await network.node.sh(`nft list set ip podium aff/ns/web/tcp/http/10.244.7.${last}/8080/600`)).toContain(OUTSIDE_ADDRESS);
    expect(namesIn(await outside.ask(CLUSTER_IP, 80, 12))).toEqual([first.split(' ')[0]]);
    await apply([sticky(600)], [slice('web', [here(other)])]);
    expect(namesIn(await outside.ask(CLUSTER_IP, 80, 3))).toEqual([`pod${other - 2}`]);
    // Another timeout, and it ends.
    await apply([sticky(1)], [slice('web', [here(other)])]);
    expect(namesIn(await outside.ask(CLUSTER_IP, 80, 1))).toEqual([`pod${other - 2}`]);
    await apply([sticky(1)], [slice('web', [here(2), here(3), here(4)])]);
    const set = `aff/ns/web/tcp/http/10.244.7.${other}/8080/1`;
    await until('the end of the affinity', async () => !(await network.node.sh(`nft list set ip podium ${set}`)).includes('elements'));
    expect(await network.node.sh('nft list table ip podium')).not.toContain('/600');
  });

  test.skipIf(isSkipped)('UDP: a flow that goes on is sent to another endpoint when its own goes', async () => {
    const dns = (nodePort?: number) => service('dns', { clusterIP: '10.96.0.53', type: 'NodePort', ports: [{ name: 'dns', port: 53, protocol: 'UDP', ...(nodePort === undefined ? {} : { nodePort }) }] });
    const of = (...lasts: number[]) => [slice('dns', lasts.map((last) => here(last)), [{ name: 'dns', port: 5353, protocol: 'UDP' }])];
    // Before it is a service's, so that the kernel remembers it as it is.
    await apply([dns()], of(2));
    expect(await outside.askUdp(NODE_ADDRESS, 30053, 4001)).toBe('ECONNREFUSED');
    await apply([dns(30053)], of(2));
    expect(await outside.askUdp(NODE_ADDRESS, 30053, 4001)).toBe('pod0-udp 10.244.7.1 x');
    expect(await pods[2]!.askUdp('10.96.0.53', 53, 4000)).toBe('pod0-udp 10.244.7.4 x');
    await apply([dns(30053)], of(3));
    expect(await pods[2]!.askUdp('10.96.0.53', 53, 4000)).toBe('pod1-udp 10.244.7.4 x');
    expect(await outside.askUdp(NODE_ADDRESS, 30053, 4001)).toBe('pod1-udp 10.244.7.1 x');
    expect(proxy.stats.flowsForgotten).toBeGreaterThanOrEqual(3);
  });

  test.skipIf(isSkipped)('none is refused or reset while endpoints come and go and drain; what is connected stays so', async () => {
    const all = [2, 3, 4];
    await apply([nodePort()], [slice('web', all.map((last) => here(last)))]);
    expect(await pods[2]!.do<string>({ do: 'hold', address: CLUSTER_IP, port: 80 })).toMatch(/^pod\d 10\.244\.7\.[14]$/);
    const loads = [outside, pods[0]!, onNode];
    await Promise.all([
      outside.do({ do: 'load', address: NODE_ADDRESS, port: 30080, streams: 4 }),
      pods[0]!.do({ do: 'load', address: CLUSTER_IP, port: 80, streams: 4 }),
      onNode.do({ do: 'load', address: CLUSTER_IP, port: 80, streams: 4 }),
    ]);
    for (let round = 0; round < (user === 'root' ? 12 : 4); round++) {
      const leaving = all[round % 3]!;
      // As a pod goes: first it is not ready any more; its server ends behind that, when all are served who came before.
      const without = all.filter((last) => last !== leaving).map((last) => here(last));
      await apply([nodePort()], [slice('web', [...without, here(leaving, TERMINATING)])]);
      await Promise.all(loads.map((peer) => peer.do({ do: 'load-turn' })));
      await pods[leaving - 2]!.do({ do: 'stop', name: `pod${leaving - 2}` });
      await apply([nodePort()], [slice('web', without)]);
      await pods[leaving - 2]!.do({ do: 'serve', name: `pod${leaving - 2}`, port: 8080 });
      await apply([nodePort()], [slice('web', all.map((last) => here(last)))]);
      // An agent that starts anew takes over what is there.
      if (round % 4 !== 3) continue;
      await proxy.close();
      proxy = new NftablesProxy({ node, run: network.node.run, clock: systemClock, log: silentLog });
    }
    expect(await pods[2]!.do<string>({ do: 'say', word: 'still' })).toBe('still');
    const results = await Promise.all(loads.map((peer) => peer.do<LoadResult>({ do: 'unload' })));
    for (const [at, { answers, errors }] of results.entries()) {
      expect(errors, `from ${['outside', 'a pod', 'the node'][at]}`).toEqual({});
      expect(Object.keys(answers).sort()).toEqual(['pod0', 'pod1', 'pod2']);
      expect(Math.min(...Object.values(answers))).toBeGreaterThan(10);
    }
  });

  test.skipIf(isSkipped)('the `kubernetes` service: API servers on this machine’s loopback, several of one address', async () => {
    await Promise.all([6443, 7443].map((port) => onNode.do({ do: 'serve', name: `api${port}`, port, address: '127.0.0.1' })));
    const kubernetes = service('kubernetes', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, protocol: 'TCP' }] });
    const servers = [6443, 7443].map((port) => {
      const one = slice('kubernetes', [{ addresses: ['127.0.0.1'], conditions: { ready: true } }], [{ name: 'https', port, protocol: 'TCP' }]);
      return { ...one, metadata: { ...one.metadata, name: `kubernetes-${port}` } };
    });
    await apply([kubernetes], servers);
    expect(namesIn(await pods[0]!.ask('10.96.0.1', 443, 20))).toEqual(['api6443', 'api7443']);
    expect(namesIn(await onNode.ask('10.96.0.1', 443, 20))).toEqual(['api6443', 'api7443']);
  });

  test.skipIf(isSkipped)('remove() leaves nothing behind', async () => {
    await apply([nodePort()], [slice('web', [here(2)])]);
    await proxy.remove();
    expect(await network.node.sh('nft list ruleset')).toBe('');
  });
});
