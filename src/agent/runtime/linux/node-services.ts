/**
 * Services and names in a node's network: by rules of nftables where the kernel has them and the tool is there, else by
 * proxies in userspace, which know TCP and UDP; and the cluster's DNS. All of it begins anew when the node's network does.
 */
import type { Clock } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import type { EndpointSlice, Service } from '../../../client/objects.ts';
import type { HostPort } from '../../core/host-ports.ts';
import type { ProxyNode } from '../../core/nft-services.ts';
import { NftablesProxy } from '../../nftables/nftables-proxy.ts';
import { missingForNftables } from '../../nftables/probe.ts';
import { toolRunner, type RunTool } from '../../nftables/tool.ts';
import type { ServiceFollower } from '../../service-follower.ts';
import type { ClusterDns } from './cluster-dns.ts';
import { localServicesBatch } from './core/node-network.ts';
import type { ServiceRelay } from './service-relay.ts';

/** In which pods look for services: a namespace of the node's own, or the machine's network. */
export interface ServiceNetwork {
  /** What stands before a command that is to work in it. */
  enter(): readonly string[];
  /** Calls as soon as it is there, and whenever it is another one; the answer says what is done in it, in a few words. */
  onNetwork(listener: () => Promise<string>): void;
}

export interface NodeServicesOptions {
  readonly network: ServiceNetwork;
  readonly node: ProxyNode;
  readonly relay: ServiceRelay;
  /** undefined: this cluster has none. */
  readonly dns: ClusterDns | undefined;
  readonly serviceCidr: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Beside a node's table of services. */
export function silenceTableOf(tableName: string): string {
  return `${tableName}-silence`;
}

/**
 * While an agent is exchanged nobody listens at the node's own addresses. Who asks a DNS then is better told nothing than
 * that there is none: resolvers ask again after a silence, and give up at once after a refusal.
 */
function silenceOf({ tableName, ownAddresses }: ProxyNode): string {
  const table = silenceTableOf(tableName);
  const rules = ownAddresses.map((address) => `add rule ip ${table} leaving ip saddr ${address} icmp type destination-unreachable drop`);
  const chain = `add chain ip ${table} leaving { type filter hook output priority 0; }`;
  return [`add table ip ${table}`, `delete table ip ${table}`, `add table ip ${table}`, chain, ...rules, ''].join('\n');
}

export class NodeServices implements ServiceFollower {
  readonly #options: NodeServicesOptions;
  readonly #run: RunTool;
  #rules: NftablesProxy | undefined;
  #known: Parameters<NftablesProxy['update']> | undefined;

  constructor(options: NodeServicesOptions) {
    this.#options = options;
    const { network, clock } = options;
    // The network may be another one the next time.
    this.#run = (argv, input) => toolRunner(clock, network.enter())(argv, input);
    network.onNetwork(() => this.#begin());
  }

  update(services: readonly Service[], slices: readonly EndpointSlice[], hostPorts: readonly HostPort[] = []): void {
    this.#known = [services, slices, hostPorts];
    this.#rules?.update(services, slices, hostPorts);
    this.#options.dns?.update(services, slices);
  }

  /** Rules stay: connections go on while an agent is exchanged. */
  async close(): Promise<void> {
    await Promise.all([this.#rules?.close(), this.#options.dns?.close()]);
  }

  async #begin(): Promise<string> {
    const { relay, dns, log } = this.#options;
    const missing = await missingForNftables(this.#run);
    await this.#run(['ip', '-batch', '-'], localServicesBatch(this.#options.serviceCidr, missing !== undefined));
    if (missing === undefined) await this.#run(['nft', '-f', '-'], silenceOf(this.#options.node));
    if (missing === undefined) this.#beginRules();
    else await this.#endRules();
    relay.serveInside(missing !== undefined);
    await dns?.open();
    if (missing !== undefined) log.warn({ missing }, 'agent: services are proxied in userspace');
    return missing === undefined ? 'services by nftables' : `services by proxies in userspace (${missing})`;
  }

  #beginRules(): void {
    const { node, clock, log } = this.#options;
    if (this.#rules !== undefined) return this.#rules.check();
    this.#rules = new NftablesProxy({ node, run: this.#run, clock, log });
    if (this.#known !== undefined) this.#rules.update(...this.#known);
  }

  async #endRules(): Promise<void> {
    await this.#rules?.close();
    this.#rules = undefined;
  }
}
