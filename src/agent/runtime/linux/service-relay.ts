/**
 * Services of a node whose pods have a network of their own, by proxies in userspace: NodePorts are listened on outside, and
 * each connection is led into the node's network. Addresses that live in there are the packet filter's; where there is none,
 * a second proxy listens at them, in there.
 */
import type { ProxyRule } from '../../core/proxy-rules.ts';
import type { ServiceProxy, UserspaceProxy } from '../../proxy.ts';

export interface ServiceRelayOptions {
  /** Both reach their targets through the inner half. */
  readonly outside: UserspaceProxy;
  readonly inside: UserspaceProxy;
  /** Where NodePorts are listened on, outside. */
  readonly address: string;
  /** Inside, that the node itself listens at, as its DNS does: no proxy's, whatever services say. */
  readonly ownAddresses: readonly string[];
}

export class ServiceRelay implements ServiceProxy {
  readonly #options: ServiceRelayOptions;
  #rules: readonly ProxyRule[] = [];
  #isInside = false;

  constructor(options: ServiceRelayOptions) {
    this.#options = options;
  }

  apply(rules: readonly ProxyRule[]): void {
    const { outside, inside, address, ownAddresses } = this.#options;
    this.#rules = rules;
    outside.apply(rules.filter((rule) => rule.address === address));
    inside.apply(this.#isInside ? rules.filter((rule) => rule.address !== address && !ownAddresses.includes(rule.address)) : []);
  }

  /** Who listened inside did so in a network that may be gone: all listen anew, or nobody does any more. */
  serveInside(isInside: boolean): void {
    this.#options.inside.apply([]);
    this.#isInside = isInside;
    this.apply(this.#rules);
  }

  async close(): Promise<void> {
    const { outside, inside } = this.#options;
    await Promise.all([outside.close(), inside.close()]);
  }
}
