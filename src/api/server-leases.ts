/**
 * Which API servers live: each keeps a key in the store that goes with its lease. Who dies is gone from the list when the
 * lease ends; who stops gives it back.
 *
 *   /registry/masterleases/127.0.0.1:6443
 */
import { fromUtf8, prefixEnd, toUtf8 } from '../base/bytes.ts';
import type { StoreCallOptions, StoreClient } from '../etcd/store-client.ts';
import { parseServer, serverText, type ServerAddress } from './core/kubernetes-service.ts';

const PREFIX = '/registry/masterleases/';

export class ServerLeases {
  readonly #store: StoreClient;
  readonly #own: ServerAddress;
  readonly #ttlSeconds: number;
  /** undefined: none has been granted yet, or it has ended. */
  #lease: bigint | undefined;

  constructor(options: { readonly store: StoreClient; readonly own: ServerAddress; readonly ttlSeconds: number }) {
    this.#store = options.store;
    this.#own = options.own;
    this.#ttlSeconds = options.ttlSeconds;
  }

  /** Says that this server lives, and answers all that do. */
  async renew(options: StoreCallOptions): Promise<readonly ServerAddress[]> {
    if (this.#lease !== undefined) {
      const { ttl } = await this.#store.leaseKeepAliveOnce(this.#lease, options);
      if (ttl <= 0) this.#lease = undefined;
    }
    if (this.#lease === undefined) await this.#take(options);
    const living = await this.list(options);
    if (living.some((one) => serverText(one) === serverText(this.#own))) return living;
    // Somebody removed the key: an earlier life of this server that gave back its lease late, or a person.
    await this.#put(options);
    return this.list(options);
  }

  async list(options: StoreCallOptions): Promise<readonly ServerAddress[]> {
    // From one member, without asking the others: it is looked at again soon, and a quorum each time would cost an idle cluster.
    const range = { key: fromUtf8(PREFIX), rangeEnd: prefixEnd(fromUtf8(PREFIX)), keysOnly: true, serializable: true };
    const { kvs } = await this.#store.range(range, options);
    return kvs.flatMap(({ key }) => parseServer(toUtf8(key).slice(PREFIX.length)) ?? []);
  }

  /** The key goes with it. */
  async giveBack(options: StoreCallOptions): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) await this.#store.leaseRevoke(lease, options);
  }

  async #take(options: StoreCallOptions): Promise<void> {
    this.#lease = (await this.#store.leaseGrant({ ttl: this.#ttlSeconds }, options)).id;
    await this.#put(options);
  }

  async #put(options: StoreCallOptions): Promise<void> {
    const { address, port } = this.#own;
    // Who it is stands in the key; the value is for whoever looks.
    const value = JSON.stringify({ address, port });
    await this.#store.put({ key: fromUtf8(PREFIX + serverText(this.#own)), value: fromUtf8(value), lease: this.#lease ?? 0n }, options);
  }
}
