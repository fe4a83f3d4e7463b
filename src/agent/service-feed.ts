/** Follows Services, EndpointSlices and the ports that pods have of the node, and feeds them to the service proxy and its like. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Tasks } from '../base/tasks.ts';
import { resources, type ApiClient } from '../client/api-client.ts';
import { Informer } from '../client/informer.ts';
import type { EndpointSlice, Service } from '../client/objects.ts';
import { hostPortsOf, type HostPort } from './core/host-ports.ts';
import type { AgentPod } from './core/pod-spec.ts';
import { isRouted, planProxy } from './core/proxy-rules.ts';
import type { ServiceProxy } from './proxy.ts';
import type { ServiceFollower } from './service-follower.ts';

export interface ServiceFeedOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this node, as they are heard of; others start and stop it. */
  readonly pods: Informer<AgentPod>;
  readonly proxy: ServiceProxy | undefined;
  readonly followers: readonly ServiceFollower[];
  /** Where NodePorts are listened on, and what is added to them. */
  readonly nodePortAddress: string;
  readonly portBase: number;
  readonly tasks: Tasks;
  /** The agent lets go. */
  readonly signal: AbortSignal;
}

export class ServiceFeed {
  readonly #options: ServiceFeedOptions;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  #hostPorts: readonly HostPort[] = [];
  #isDue = false;
  #isFed = false;

  constructor(options: ServiceFeedOptions) {
    this.#options = options;
    const { api: client, clock, log } = options;
    this.#services = new Informer({ client, clock, log, ref: resources.services });
    this.#slices = new Informer({ client, clock, log, ref: resources.endpointSlices });
  }

  services(): readonly Service[] {
    return this.#services.cache.list();
  }

  /** Do endpoints that are known of still send new connections to this address? */
  isRouted(address: string): boolean {
    return isRouted(this.#slices.cache.list(), address);
  }

  start(): void {
    if (!this.#isWanted) return;
    for (const informer of [this.#services, this.#slices]) {
      informer.listen({ progressed: () => this.#changed() });
      this.#options.tasks.run(informer.run(this.#options.signal));
    }
  }

  /** Resolves when the services are known that there are, or at once where nobody asks for them. */
  async synced(): Promise<void> {
    if (this.#isWanted) await this.#services.synced(this.#options.signal);
  }

  podsChanged(): void {
    if (!this.#isWanted) return;
    const hostPorts = hostPortsOf(this.#options.pods.cache.list());
    // Pods change all the time, their ports of the node seldom.
    const isSame = JSON.stringify(hostPorts) === JSON.stringify(this.#hostPorts);
    this.#hostPorts = hostPorts;
    if (!isSame || !this.#isFed) this.#changed();
  }

  async close(): Promise<void> {
    const { proxy, followers } = this.#options;
    await proxy?.close();
    await Promise.all(followers.map((follower) => follower.close()));
  }

  get #isWanted(): boolean {
    const { proxy, followers } = this.#options;
    return proxy !== undefined || followers.length > 0;
  }

  /** Many changes at once (a list) become one application; the first one when everything is known that was there before. */
  #changed(): void {
    if (this.#isDue || !this.#isWanted) return;
    if (![this.#services, this.#slices, this.#options.pods].every(({ isSynced }) => isSynced)) return;
    this.#isFed = true;
    this.#isDue = true;
    void Promise.resolve().then(() => {
      this.#isDue = false;
      const { nodePortAddress, portBase, proxy, followers, signal } = this.#options;
      if (signal.aborted) return;
      const services = this.#services.cache.list();
      const slices = this.#slices.cache.list();
      const hostPorts = this.#hostPorts;
      proxy?.apply(planProxy({ services, slices, hostPorts, nodePortAddress, portBase }));
      for (const follower of followers) follower.update(services, slices, hostPorts);
    });
  }
}
