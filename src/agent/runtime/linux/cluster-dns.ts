/**
 * The cluster's DNS on a node: a DnsServer on sockets that the inner half has opened in the node's network, at an address
 * of its loopback that is the same on every node. What is not the cluster's is asked for by this process, from the
 * machine's own network and by its resolv.conf; where pods have no way out of the machine, nobody is asked.
 *
 * Its Service, `kube-dns`, has an address and nothing behind it: people and programs look there for where the DNS is.
 */
import { isIPv4 } from 'node:net';
import type { Clock, Timer } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import { inNamespace, resources, type ApiClient } from '../../../client/api-client.ts';
import { isAlreadyExists } from '../../../client/api-error.ts';
import type { EndpointSlice, Service } from '../../../client/objects.ts';
import { reachableFromPods } from '../../core/pod-names.ts';
import { parseResolvConf, type ResolvConf } from '../../core/resolv-conf.ts';
import { DnsServer } from '../../dns/dns-server.ts';
import { readText } from '../state-files.ts';
import type { InnerLink } from './inner-link.ts';

export interface ClusterDnsOptions {
  /** `10.96.0.10`, an address of the node's loopback. */
  readonly address: string;
  /** `cluster.local` */
  readonly domain: string;
  /** Of pods and services. */
  readonly ownCidrs: readonly string[];
  readonly inner: Pick<InnerLink, 'openTcp' | 'openUdp'>;
  readonly api: ApiClient;
  /** Do connections of pods leave this machine? */
  readonly hasEgress: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For tests. */
  readonly resolvConfPath?: string;
}

const PORT = 53;
const NAMESPACE = 'kube-system';
const NAME = 'kube-dns';
/** The port may still be an earlier agent's. */
const RETRY_MS = 500;
/** Machines move from one network to another. */
const LOOK_MS = 10_000;
const RESOLV_CONF = '/etc/resolv.conf';
/** Where a machine whose resolv.conf names a resolver of its own says whom that one asks. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

export class ClusterDns {
  readonly #options: ClusterDnsOptions;
  #server: DnsServer | undefined;
  #known: { readonly services: readonly Service[]; readonly slices: readonly EndpointSlice[] } | undefined;
  #upstreams = '';
  #timer: Timer | undefined;
  #isMaking = false;
  #isClosed = false;

  constructor(options: ClusterDnsOptions) {
    this.#options = options;
  }

  /** In the node's network as it is now. Resolves when it answers, or will be tried again. */
  async open(): Promise<void> {
    const { log, clock, address } = this.#options;
    this.#timer?.cancel();
    await this.#server?.close();
    this.#server = undefined;
    let nextMs = LOOK_MS;
    try {
      await this.#listen();
    } catch (error) {
      log.debug({ address, error: describeError(error) }, 'dns: not listened yet');
      nextMs = RETRY_MS;
    }
    this.#timer?.cancel();
    if (!this.#isClosed) this.#timer = clock.setTimer(nextMs, () => void this.#look());
  }

  update(services: readonly Service[], slices: readonly EndpointSlice[]): void {
    this.#known = { services, slices };
    this.#server?.update(services, slices);
    const isThere = services.some(({ metadata }) => metadata.name === NAME && metadata.namespace === NAMESPACE);
    if (!isThere && !this.#isMaking) void this.#makeService();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#server?.close();
  }

  async #listen(): Promise<void> {
    const { address: host, domain, ownCidrs, inner, clock, random, log } = this.#options;
    const upstreams = this.#readUpstreams();
    this.#upstreams = upstreams.join();
    const [udp, tcp] = await Promise.all([inner.openUdp({ host, port: PORT }), inner.openTcp({ host, port: PORT })]);
    const server = new DnsServer({ domain, serverAddress: host, ownCidrs, upstreams: upstreams.map((address) => ({ address, port: PORT })), clock, random, log });
    server.attach(udp, tcp);
    if (this.#known !== undefined) server.update(this.#known.services, this.#known.slices);
    this.#server = server;
    if (this.#isClosed) await server.close();
  }

  /** Opens again what is not open, or asks others than those that the machine asks now. */
  async #look(): Promise<void> {
    if (this.#server === undefined || this.#readUpstreams().join() !== this.#upstreams) return this.open();
    this.#timer = this.#options.clock.setTimer(LOOK_MS, () => void this.#look());
  }

  #readUpstreams(): readonly string[] {
    const { hasEgress, resolvConfPath = RESOLV_CONF } = this.#options;
    return hasEgress() ? parseResolvConf(readText(resolvConfPath)).nameservers.filter(isIPv4) : [];
  }

  /** Every node's agent finds it missing; the first one makes it. */
  async #makeService(): Promise<void> {
    const { api, log, address, clock } = this.#options;
    this.#isMaking = true;
    try {
      await api.create(inNamespace(resources.services, NAMESPACE), serviceAt(address));
    } catch (error) {
      // Its address may be found to be taken before its name is.
      const isThere = isAlreadyExists(error) || (await api.get(inNamespace(resources.services, NAMESPACE), NAME).then(() => true, () => false));
      if (!isThere) log.warn({ service: `${NAMESPACE}/${NAME}`, error: describeError(error) }, 'dns: its service cannot be made');
    }
    // News of it, or of its end, come in between.
    clock.setTimer(LOOK_MS, () => (this.#isMaking = false));
  }
}

function serviceAt(clusterIP: string) {
  const labels = { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'KubeDNS' };
  const ports = [
    { name: 'dns', port: PORT, protocol: 'UDP' },
    { name: 'dns-tcp', port: PORT, protocol: 'TCP' },
  ];
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: NAME, namespace: NAMESPACE, labels }, spec: { clusterIP, ports, type: 'ClusterIP' } };
}

/** How the machine finds names, for pods that want the same. */
export function machineNames(clusterDns: readonly string[]): ResolvConf {
  const own = parseResolvConf(readText(RESOLV_CONF));
  const isOfUse = reachableFromPods(own, []).nameservers.length > 0;
  const resolved = isOfUse ? '' : readText(RESOLVED_CONF);
  return reachableFromPods(resolved === '' ? own : parseResolvConf(resolved), clusterDns);
}
