/**
 * The cluster's names, by the DNS-based service discovery of Kubernetes, version 1.1.0. Given all Services and
 * EndpointSlices it answers what there is under a name; how that becomes a message is `dns-answer.ts`' affair.
 *
 *   web.ns.svc.ZONE                 a service: its address, those of its ready endpoints (headless), or another name
 *   _http._tcp.web.ns.svc.ZONE      SRV of a named port
 *   db-0.web.ns.svc.ZONE            an endpoint of a headless service, by its hostname or its address with dashes
 *   10-244-7-2.ns.pod.ZONE          the address itself
 *   2.7.244.10.in-addr.arpa         back to a service or an endpoint of a headless one
 *   dns-version.ZONE                TXT
 *
 * A name that only has others below it exists, and has no records. A headless service without ready endpoints does not.
 */
import type { EndpointSlice, Service, ServicePort } from '../../client/objects.ts';
import { below, isName, lowerName, parseName, RecordType, type Name, type RecordData } from './dns-message.ts';
import { clusterIpOf, isOf, isReady, serviceKeyOf, slicesByService, type ProxiedService } from './service-endpoints.ts';

export interface ZoneOptions {
  /** `cluster.local` */
  readonly domain: string;
  /** Where the cluster's DNS itself is; undefined: it has no name. */
  readonly serverAddress?: string | undefined;
}

export interface Found {
  readonly data: RecordData;
  /** Of something else than what was asked for, such as a target's address. */
  readonly name?: Name;
}

export type Lookup =
  | { readonly kind: 'records'; readonly records: readonly Found[]; readonly additionals: readonly Found[] }
  /** The name is there; what was asked for is not. */
  | { readonly kind: 'no-data' }
  | { readonly kind: 'no-name' }
  /** It is another name's; who asks wants the records of that. */
  | { readonly kind: 'alias'; readonly target: Name }
  /** Not of this zone. */
  | { readonly kind: 'elsewhere' };

interface Host {
  /** By which it is known below its service. */
  readonly hostname: string;
  readonly address: string;
  readonly ports: ReadonlyMap<ServicePort, number>;
}

interface Entry {
  readonly name: Name;
  readonly service: ProxiedService;
  readonly clusterIp: string | undefined;
  /** Of a headless service, those that are ready. */
  readonly hosts: readonly Host[];
}

export const SPECIFICATION_VERSION = '1.1.0';
const REVERSE: Name = ['in-addr', 'arpa'];
const ADDRESS = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const PROTOCOLS: ReadonlySet<string> = new Set(['_tcp', '_udp', '_sctp']);
const NO_DATA: Lookup = { kind: 'no-data' };
const NO_NAME: Lookup = { kind: 'no-name' };
const WEIGHTS_SUM = 100;

export class ClusterZone {
  readonly zone: Name;
  readonly #serverAddress: string | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #namespaces = new Set<string>();
  #services: readonly Service[] = [];
  #slices: readonly EndpointSlice[] = [];
  #isStale = false;
  /** Names of an address; made when somebody asks. */
  #reverse: Map<string, Name[]> | undefined;
  /** Of the SOA: counts the states. */
  #serial = 1;

  constructor({ domain, serverAddress }: ZoneOptions) {
    this.zone = lowerName(parseName(domain));
    this.#serverAddress = serverAddress;
  }

  get serial(): number {
    return this.#serial;
  }

  /** All there are. Taken in when the next question comes: many changes cost one reading. */
  update(services: readonly Service[], slices: readonly EndpointSlice[]): void {
    this.#services = services;
    this.#slices = slices;
    this.#isStale = true;
    this.#serial++;
  }

  /** `name` in lower case. */
  lookup(name: Name, type: number): Lookup {
    this.#refresh();
    const inZone = below(name, this.zone);
    if (inZone !== undefined) return this.#inZone(inZone, type);
    const reversed = below(name, REVERSE);
    return reversed === undefined ? { kind: 'elsewhere' } : this.#inReverse(reversed, type);
  }

  #refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#reverse = undefined;
    this.#entries.clear();
    this.#namespaces.clear();
    const slicesOf = slicesByService(this.#slices);
    for (const service of this.#services) {
      const { name, namespace = '' } = service.metadata;
      const full = [...lowerName([name, namespace]), 'svc', ...this.zone];
      if (!isName(full)) continue;
      this.#namespaces.add(namespace);
      const clusterIp = clusterIpOf(service);
      const hosts = service.spec.clusterIP === 'None' ? hostsOf(service, slicesOf.get(serviceKeyOf(service)) ?? []) : [];
      this.#entries.set(`${namespace}/${name}`, { name: full, service, clusterIp: isAddress(clusterIp) ? clusterIp : undefined, hosts });
    }
  }

  #inZone(labels: Name, type: number): Lookup {
    const last = labels.at(-1);
    if (last === undefined) return type === RecordType.NS ? only({ type: 'NS', target: ['ns', 'dns', ...this.zone] }) : NO_DATA;
    const before = labels.slice(0, -1);
    if (last === 'svc') return this.#ofServices(before, type);
    if (last === 'pod') return ofPods(before, type);
    if (last === 'dns') {
      if (before.length === 0) return NO_DATA;
      if (before.length > 1 || before[0] !== 'ns' || this.#serverAddress === undefined) return NO_NAME;
      return ask(type, [{ type: 'A', address: this.#serverAddress }]);
    }
    if (last === 'dns-version' && before.length === 0) return ask(type, [{ type: 'TXT', texts: [SPECIFICATION_VERSION] }]);
    return NO_NAME;
  }

  #ofServices(labels: Name, type: number): Lookup {
    const [namespace, service, ...rest] = labels.toReversed();
    if (namespace === undefined) return NO_DATA;
    if (!this.#namespaces.has(namespace)) return NO_NAME;
    if (service === undefined) return NO_DATA;
    const entry = this.#entries.get(`${namespace}/${service}`);
    if (entry === undefined) return NO_NAME;
    const { externalName = '', type: kind } = entry.service.spec;
    if (kind === 'ExternalName') {
      const target = parseName(externalName);
      return rest.length > 0 || !isName(target) ? NO_NAME : { kind: 'alias', target };
    }
    if (entry.clusterIp === undefined && entry.hosts.length === 0) return NO_NAME;
    const [first, second, ...more] = rest;
    if (more.length > 0) return NO_NAME;
    if (first === undefined) return type === RecordType.SRV ? serviceRecords(entry, entry.service.spec.ports ?? []) : ask(type, addressesOf(entry));
    if (PROTOCOLS.has(first)) return portRecords(entry, first, second, type);
    const hosts = entry.hosts.filter(({ hostname }) => hostname === first);
    return hosts.length === 0 || second !== undefined ? NO_NAME : ask(type, hosts.map(({ address }) => ({ type: 'A', address })));
  }

  /** undefined where the address is none of ours. */
  #inReverse(labels: Name, type: number): Lookup {
    const address = labels.toReversed().join('.');
    const names = ADDRESS.test(address) ? this.#namesOf(address) : undefined;
    return names === undefined ? { kind: 'elsewhere' } : ask(type, names.map((target) => ({ type: 'PTR', target })));
  }

  #namesOf(address: string): Name[] | undefined {
    if (this.#reverse === undefined) {
      this.#reverse = new Map();
      for (const { name, clusterIp, hosts } of this.#entries.values()) {
        if (clusterIp !== undefined) addTo(this.#reverse, clusterIp, name);
        for (const host of hosts) addTo(this.#reverse, host.address, [host.hostname, ...name]);
      }
    }
    return this.#reverse.get(address);
  }
}

function addTo(reverse: Map<string, Name[]>, address: string, name: Name): void {
  const known = reverse.get(address);
  if (known === undefined) reverse.set(address, [name]);
  else known.push(name);
}

function isAddress(address: string | undefined): address is string {
  return address !== undefined && ADDRESS.test(address) && address.split('.').every((byte) => Number(byte) <= 255);
}

function hostsOf({ spec }: ProxiedService, slices: readonly EndpointSlice[]): Host[] {
  const hosts = new Map<string, Host>();
  for (const { endpoints, ports = [] } of slices) {
    const numbers = new Map<ServicePort, number>();
    for (const port of spec.ports ?? []) {
      const number = ports.find((one) => isOf(one, port))?.port;
      if (number !== undefined) numbers.set(port, number);
    }
    for (const endpoint of endpoints ?? []) {
      if (!isReady(endpoint) && spec.publishNotReadyAddresses !== true) continue;
      for (const address of endpoint.addresses) {
        const hostname = (endpoint.hostname ?? address.replaceAll('.', '-')).toLowerCase();
        if (!isAddress(address) || !isName([hostname])) continue;
        const key = `${hostname} ${address}`;
        // An endpoint is in a slice for each set of ports that it has.
        hosts.set(key, { hostname, address, ports: new Map([...(hosts.get(key)?.ports ?? []), ...numbers]) });
      }
    }
  }
  return [...hosts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, host]) => host);
}

function addressesOf({ clusterIp, hosts }: Entry): RecordData[] {
  if (clusterIp !== undefined) return [{ type: 'A', address: clusterIp }];
  return [...new Set(hosts.map(({ address }) => address))].map((address) => ({ type: 'A', address }));
}

/** `_http._tcp` in front of a service. */
function portRecords(entry: Entry, protocol: string, portLabel: string | undefined, type: number): Lookup {
  const ofProtocol = (entry.service.spec.ports ?? []).filter((port) => `_${(port.protocol ?? 'TCP').toLowerCase()}` === protocol && (port.name ?? '') !== '');
  if (portLabel === undefined) return ofProtocol.length === 0 ? NO_NAME : NO_DATA;
  const ports = ofProtocol.filter((port) => `_${port.name?.toLowerCase()}` === portLabel);
  if (ports.length === 0) return NO_NAME;
  return type === RecordType.SRV || type === RecordType.ANY ? serviceRecords(entry, ports) : NO_DATA;
}

function serviceRecords({ name, clusterIp, hosts }: Entry, ports: readonly ServicePort[]): Lookup {
  const targets = ports.flatMap((port) => {
    if (clusterIp !== undefined) return [{ target: name, number: port.port, address: clusterIp }];
    return hosts.flatMap(({ hostname, address, ports: numbers }) => {
      const number = numbers.get(port);
      return number === undefined ? [] : [{ target: [hostname, ...name], number, address }];
    });
  });
  if (targets.length === 0) return NO_DATA;
  const weight = Math.max(1, Math.floor(WEIGHTS_SUM / targets.length));
  const records = new Map(targets.map(({ target, number }) => [`${target.join('.')} ${number}`, { target, number }]));
  const additionals = new Map(targets.map(({ target, address }) => [`${target.join('.')} ${address}`, { target, address }]));
  return {
    kind: 'records',
    records: [...records.values()].map(({ target, number }) => ({ data: { type: 'SRV', priority: 0, weight, port: number, target } })),
    additionals: [...additionals.values()].map(({ target, address }) => ({ name: target, data: { type: 'A', address } })),
  };
}

/** Deprecated by the specification, and required by it: the name says the address, whether there is such a pod or not. */
function ofPods(labels: Name, type: number): Lookup {
  const [namespace, dashed, ...more] = labels.toReversed();
  if (namespace === undefined || dashed === undefined) return NO_DATA;
  const address = dashed.replaceAll('-', '.');
  if (more.length > 0 || dashed.includes('.') || !isAddress(address)) return NO_NAME;
  return ask(type, [{ type: 'A', address: address.split('.').map(Number).join('.') }]);
}

function only(data: RecordData): Lookup {
  return { kind: 'records', records: [{ data }], additionals: [] };
}

/** Of what is there under a name, what was asked for. */
function ask(type: number, all: readonly RecordData[]): Lookup {
  const records = all.filter((data) => data.type !== 'other' && (type === RecordType.ANY || RecordType[data.type] === type)).map((data) => ({ data }));
  return records.length === 0 ? NO_DATA : { kind: 'records', records, additionals: [] };
}
