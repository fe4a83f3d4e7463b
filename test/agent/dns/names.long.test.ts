/** Names as a program in a pod finds them: its own resolv.conf, the C library, the cluster's DNS on the node, the rules. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { podDns } from '../../../src/agent/core/resolv-conf.ts';
import { NftablesProxy } from '../../../src/agent/nftables/nftables-proxy.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { makeNetwork, missingForNetworks, Peer, type NodeNetwork } from '../nftables/network.ts';
import { endpoint, node, service, slice } from '../nftables/objects.ts';

const DNS_ADDRESS = '10.96.0.2';
const reason = missingForNetworks();
if (reason !== undefined && process.env['CI'] !== undefined) throw new Error(reason);

const services = [
  service('web', { clusterIP: '10.96.0.10' }),
  service('db', { clusterIP: 'None' }),
  service('alias', { type: 'ExternalName', externalName: 'web.ns.svc.cluster.local' }),
  // As people have it: the DNS has a service, and no pods behind it.
  service('kube-dns', { clusterIP: DNS_ADDRESS, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }] }),
];
const crowd = Array.from({ length: 100 }, (_, at) => endpoint(`10.244.9.${at + 1}`));
const slices = [slice('web', [endpoint('10.244.7.2')]), slice('db', [endpoint('10.244.7.2', { hostname: 'db-0' }), ...crowd])];

let network: NodeNetwork;
let onNode: Peer;
let proxy: NftablesProxy;
let folder: string;

beforeAll(async () => {
  if (reason !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'podium-dns-'));
  network = await makeNetwork(1);
  await network.node.sh(`ip addr add ${DNS_ADDRESS}/32 dev lo`);
  onNode = new Peer(network.node);
  await onNode.do({ do: 'dns', address: DNS_ADDRESS, port: 53, services, slices });
  proxy = new NftablesProxy({ node: { ...node, ownAddresses: [DNS_ADDRESS] }, run: network.node.run, clock: systemClock, log: silentLog });
  proxy.update(services, slices);
  await proxy.settled();
});

afterAll(async () => {
  await proxy?.close();
  onNode?.close();
  network?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Addresses of a name, in a pod with this policy. */
async function addressesOf(name: string): Promise<string[]> {
  const { text } = podDns({ namespace: 'ns', spec: {}, clusterDomain: 'cluster.local', clusterDns: [DNS_ADDRESS], host: { nameservers: [], searches: [], options: [] } });
  const path = join(folder, 'resolv.conf');
  writeFileSync(path, text);
  const script = `mount --bind ${path} /etc/resolv.conf && getent ahostsv4 ${name}`;
  const { stdout, code } = await network.pods[0]!.run(['unshare', '--mount', 'sh', '-c', script]);
  return code === 0 ? [...new Set(stdout.trim().split('\n').map((line) => line.split(/\s+/)[0]!))].sort() : [];
}

test.skipIf(reason !== undefined)(`a program in a pod finds services by their short and long names, and endpoints${reason === undefined ? '' : ` (${reason})`}`, async () => {
  for (const name of ['web', 'web.ns', 'web.ns.svc', 'web.ns.svc.cluster.local', 'web.ns.svc.cluster.local.', 'alias']) {
    expect([name, ...(await addressesOf(name))]).toEqual([name, '10.96.0.10']);
  }
  expect(await addressesOf('db-0.db')).toEqual(['10.244.7.2']);
  // Too many for a datagram: over TCP.
  expect(await addressesOf('db')).toHaveLength(101);
  expect(await addressesOf('nobody')).toEqual([]);
});
