/** Hands out the addresses of a node's pods; where it stands is on disk, for an agent that comes later. */
import { join } from 'node:path';
import { nextAddress, type AddressRange } from '../core/address-pool.ts';
import { RuntimeError } from './runtime.ts';
import { readJson, writeJson } from './state-files.ts';

export class AddressAllocator {
  readonly #path: string;
  readonly #podCidr: string;
  readonly #range: AddressRange;
  readonly #taken = new Set<string>();
  #position = 0;
  #allocating: Promise<unknown> = Promise.resolve();

  constructor(root: string, podCidr: string, range: AddressRange) {
    this.#path = join(root, 'addresses.json');
    this.#podCidr = podCidr;
    this.#range = range;
  }

  load(): void {
    this.#position = readJson<{ position: number }>(this.#path)?.position ?? 0;
  }

  /** Somebody has it already. */
  take(address: string): void {
    this.#taken.add(address);
  }

  /** Of pods that there are, and of those that are being made. */
  get taken(): ReadonlySet<string> {
    return this.#taken;
  }

  release(address: string): void {
    this.#taken.delete(address);
  }

  /** One at a time, and the position is on disk before the address is used: a crash skips an address, never repeats one. */
  allocate(): Promise<string> {
    const allocation = this.#allocating.then(async () => {
      const found = nextAddress(this.#range, this.#position, this.#taken);
      if (found === undefined) throw new RuntimeError('no-address', `every address of ${this.#podCidr} is taken by a pod`);
      this.#taken.add(found.address);
      this.#position = found.position;
      await writeJson(this.#path, { position: found.position });
      return found.address;
    });
    this.#allocating = allocation.catch(() => undefined); // its caller hears of it
    return allocation;
  }
}
