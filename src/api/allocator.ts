/**
 * Cluster addresses and node ports of Services. Each that is given out is a key of its own in the store, written in the
 * Txn that writes the Service and compared to be free: two API servers cannot give out one twice, whatever they believe.
 */
import type { Service } from 'kubernetes-types/core/v1.js';
import type { Random } from '../base/random.ts';
import { UserError } from '../base/errors.ts';
import { ApiError, invalid, invalidObject, type FieldError } from '../kube/errors.ts';
import { typed, type KubeObject } from '../kube/types.ts';
import { infoOf } from './kinds/info.ts';
import { hasHealthCheckPort, hasNodePorts } from './kinds/service.ts';
import { claimPrefix, type Claim, type Storage } from './storage.ts';

export interface AllocationRules {
  /** IPv4 CIDR such as `10.96.0.0/16`. */
  readonly serviceCidr: string;
  /** Inclusive. */
  readonly nodePortRange: { readonly from: number; readonly to: number };
}

export interface Claims {
  readonly claims: readonly Claim[];
  readonly releases: readonly string[];
}

const ADDRESSES = claimPrefix('serviceips');
const PORTS = claimPrefix('servicenodeports');

/** What the Service `kubernetes` has of a range. */
export function firstServiceAddress(serviceCidr: string): string {
  return addressText(parseCidr(serviceCidr).base + 1);
}

interface Cidr {
  readonly base: number;
  readonly size: number;
}

export class ServiceAllocator {
  readonly #storage: Storage;
  readonly #random: Random;
  readonly #rules: AllocationRules;
  readonly #cidr: Cidr;

  constructor(storage: Storage, random: Random, rules: AllocationRules) {
    this.#storage = storage;
    this.#random = random;
    this.#rules = rules;
    this.#cidr = parseCidr(rules.serviceCidr);
  }

  /** Fills the draft's addresses and ports in, and says which keys to take and to let go with it. */
  async assign(draft: KubeObject, old: KubeObject | undefined): Promise<Claims> {
    const errors: FieldError[] = [];
    const held = old === undefined ? new Set<string>() : new Set(heldBy(old));
    await this.#assignAddress(draft, held, errors);
    await this.#assignPorts(draft, held, errors);
    if (errors.length > 0) throw invalidObject(infoOf('services'), draft.metadata.name, errors);
    const wanted = heldBy(draft);
    const holder = `${draft.metadata.namespace ?? ''}/${draft.metadata.name}`;
    return {
      claims: wanted.filter((key) => !held.has(key)).map((key) => ({ key, holder })),
      releases: [...held].filter((key) => !wanted.includes(key)),
    };
  }

  releases(old: KubeObject): readonly string[] {
    return heldBy(old);
  }

  async #assignAddress(draft: KubeObject, held: ReadonlySet<string>, errors: FieldError[]): Promise<void> {
    const spec = typed<Service>(draft).spec!;
    if (spec.type === 'ExternalName') {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      return;
    }
    const asked = spec.clusterIP ?? '';
    if (asked !== '' && asked !== 'None' && !held.has(ADDRESSES + asked)) {
      const refusal = (why: string) => invalid('spec.clusterIPs', [asked], `failed to allocate IP ${asked}: ${why}`);
      const number = addressNumber(asked);
      const isInside = number > this.#cidr.base && number < this.#cidr.base + this.#cidr.size - 1;
      if (!isInside) errors.push(refusal(`the provided network does not match the current range (${this.#rules.serviceCidr})`));
      else if ((await this.#storage.keys(ADDRESSES)).includes(ADDRESSES + asked)) errors.push(refusal('provided IP is already allocated'));
    }
    if (asked === '') spec.clusterIP = await this.#freeAddress();
    spec.clusterIPs = [spec.clusterIP!];
    spec.ipFamilies = ['IPv4'];
    spec.ipFamilyPolicy = 'SingleStack';
  }

  async #freeAddress(): Promise<string> {
    const taken = new Set(await this.#storage.keys(ADDRESSES));
    const isFree = (candidate: number) => !taken.has(ADDRESSES + addressText(candidate));
    // The first and the last address of a network are its own. The next one is for the Service `kubernetes`, those behind it
    // for who asks for one (the cluster's DNS is the tenth): given to another only where there is nothing else.
    const first = this.#cidr.base + 1;
    const kept = Math.min(askedFor(this.#cidr.size), this.#cidr.size - 3);
    const number =
      this.#pick(first + kept, this.#cidr.size - 2 - kept, isFree) ?? this.#pick(first + 1, kept - 1, isFree) ?? this.#pick(first, 1, isFree);
    if (number === undefined) throw new ApiError('InternalError', `failed to allocate a serviceIP: range ${this.#rules.serviceCidr} is full`);
    return addressText(number);
  }

  async #assignPorts(draft: KubeObject, held: ReadonlySet<string>, errors: FieldError[]): Promise<void> {
    const spec = typed<Service>(draft).spec!;
    if (!hasNodePorts(spec.type)) {
      for (const port of spec.ports ?? []) delete port.nodePort;
      return;
    }
    const { from, to } = this.#rules.nodePortRange;
    const taken = new Set(await this.#storage.keys(PORTS));
    const ports = spec.ports ?? [];
    const check = (nodePort: number | undefined, path: string) => {
      if (!nodePort || held.has(PORTS + nodePort)) return;
      if (nodePort < from || nodePort > to) {
        errors.push(invalid(path, nodePort, `provided port is not in the valid range. The range of valid ports is ${from}-${to}`));
      } else if (taken.has(PORTS + nodePort)) errors.push(invalid(path, nodePort, 'provided port is already allocated'));
    };
    ports.forEach(({ nodePort }, index) => check(nodePort, `spec.ports[${index}].nodePort`));
    check(spec.healthCheckNodePort, 'spec.healthCheckNodePort');
    const chosen = new Set([...ports.map(({ nodePort }) => nodePort), spec.healthCheckNodePort]);
    const choose = () => {
      const free = this.#pick(from, to - from + 1, (candidate) => !taken.has(PORTS + candidate) && !chosen.has(candidate));
      if (free === undefined) throw new ApiError('InternalError', `failed to allocate a nodePort: range ${from}-${to} is full`);
      chosen.add(free);
      return free;
    };
    for (const port of ports) port.nodePort ||= choose();
    if (hasHealthCheckPort(spec)) spec.healthCheckNodePort ||= choose();
    else delete spec.healthCheckNodePort;
  }

  /** From a random place on, so that two API servers seldom try the same. */
  #pick(first: number, count: number, isFree: (candidate: number) => boolean): number | undefined {
    if (count <= 0) return undefined;
    const start = this.#random.below(count);
    for (let step = 0; step < count; step++) {
      const candidate = first + ((start + step) % count);
      if (isFree(candidate)) return candidate;
    }
    return undefined;
  }
}

/** How many addresses at the beginning of a range Kubernetes leaves to those that ask for them. */
function askedFor(size: number): number {
  return size < 16 ? 1 : Math.min(Math.max(16, Math.floor(size / 16)), 256);
}

/** The keys of the addresses and ports that a service names. A port that TCP and UDP share is held once. */
function heldBy(object: KubeObject): string[] {
  const spec = typed<Service>(object).spec;
  const { clusterIP = '' } = spec ?? {};
  const address = clusterIP === '' || clusterIP === 'None' ? [] : [ADDRESSES + clusterIP];
  const numbers = hasNodePorts(spec?.type) ? [...(spec?.ports ?? []).map(({ nodePort }) => nodePort), spec?.healthCheckNodePort] : [];
  const ports = numbers.flatMap((port) => (port ? [PORTS + port] : []));
  return [...new Set([...address, ...ports])];
}

function parseCidr(text: string): Cidr {
  const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(text);
  const bits = Number(match?.[2]);
  if (match === null || bits > 30 || Number.isNaN(addressNumber(match[1]!))) {
    throw new UserError(`the range of service addresses is not an IPv4 network of at least 4 addresses: ${text}`);
  }
  const size = 2 ** (32 - bits);
  return { base: Math.floor(addressNumber(match[1]!) / size) * size, size };
}

function addressNumber(text: string): number {
  const parts = text.split('.').map(Number);
  return parts.length === 4 && parts.every((part) => part >= 0 && part <= 255) ? parts.reduce((sum, part) => sum * 256 + part, 0) : NaN;
}

function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
