/**
 * Services of a node whose pods have a network of their own, seen from the machine: NodePorts are listened on outside, and
 * each connection is led into the node's network. Addresses that live in there are not for this half.
 */
import type { ProxyRule } from '../../core/proxy-rules.ts';
import type { ServiceProxy, UserspaceProxy } from '../../proxy.ts';

export interface ServiceRelayOptions {
  /** Reaches its targets through the inner half. */
  readonly proxy: UserspaceProxy;
  /** Where NodePorts are listened on. */
  readonly address: string;
}

export class ServiceRelay implements ServiceProxy {
  readonly #options: ServiceRelayOptions;

  constructor(options: ServiceRelayOptions) {
    this.#options = options;
  }

  apply(rules: readonly ProxyRule[]): void {
    const { proxy, address } = this.#options;
    proxy.apply(rules.filter((rule) => rule.address === address));
  }

  close(): Promise<void> {
    return this.#options.proxy.close();
  }
}
