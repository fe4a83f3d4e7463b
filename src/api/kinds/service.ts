import type { Endpoints, Service, ServicePort } from 'kubernetes-types/core/v1.js';
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDns1035Label, checkDnsLabel, checkDnsSubdomain, checkIPv4, checkPortName, checkPortNumber } from '../../kube/names.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { formatAge } from '../../kube/age.ts';
import { immutableField, validateLabels } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { column, textAt, wide, type Kind } from './kind.ts';

type ServiceSpec = NonNullable<Service['spec']>;

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

export const services: Kind = {
  info: infoOf('services'),
  model: 'V1Service',
  subresources: ['status'],
  hasGeneration: false,
  checkName: checkDns1035Label,
  prepareForCreate: (draft) => (draft['status'] = { loadBalancer: {} }),
  prepareForUpdate: keepAllocated,
  validate: validateService,
  validateUpdate: (object, old) => {
    const [now, before] = [typed<Service>(object).spec!, typed<Service>(old).spec!];
    if (now.type === 'ExternalName' || before.type === 'ExternalName' || !before.clusterIP) return [];
    return [...immutableField('spec.clusterIPs[0]', now.clusterIP, before.clusterIP), ...sameFamilyAndClass(now, before)];
  },
  selectableFields: {
    'spec.clusterIP': (object) => textAt(object, 'spec', 'clusterIP'),
    'spec.type': (object) => textAt(object, 'spec', 'type'),
  },
  columns: [
    column('Type', (object) => textAt(object, 'spec', 'type')),
    column('Cluster-IP', (object) => textAt(object, 'spec', 'clusterIP') || '<none>'),
    column('External-IP', externalText),
    column('Port(s)', (object) => (typed<Service>(object).spec?.ports ?? []).map(portText).join(',') || '<none>'),
    column('Age', (object, wallMs) => formatAge(object.metadata.creationTimestamp, wallMs)),
    wide('Selector', (object) => {
      const labels = Object.entries(typed<Service>(object).spec?.selector ?? {});
      return labels.map(([key, value]) => `${key}=${value}`).sort().join(',') || '<none>';
    }),
  ],
  hasAgeColumn: false,
};

function sameFamilyAndClass(now: ServiceSpec, before: ServiceSpec): FieldError[] {
  const [family, was] = [now.ipFamilies?.[0], before.ipFamilies?.[0]];
  const isOther = family !== undefined && was !== undefined && family !== was;
  return [
    ...(isOther ? [invalid('spec.clusterIPs[0]', now.clusterIP, `expected an ${family} value as indicated by \`ipFamilies[0]\``)] : []),
    ...(now.type === 'LoadBalancer' && before.type === 'LoadBalancer' && now.loadBalancerClass !== before.loadBalancerClass
      ? [invalid('spec.loadBalancerClass', now.loadBalancerClass, 'may not change once set')]
      : []),
  ];
}

/** What the old type needed and the new one does not goes, unless the client has just changed it. */
function dropUnneeded(now: ServiceSpec, before: ServiceSpec): void {
  if (now.type === before.type) return;
  if (now.type === 'ExternalName' && equalJson(now.clusterIP, before.clusterIP)) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'] as const) delete now[field];
  }
  if (hasNodePorts(now.type)) return;
  const held = new Set((before.ports ?? []).map(({ nodePort }) => nodePort));
  if (hasNodePorts(before.type)) for (const port of now.ports ?? []) if (held.has(port.nodePort)) delete port.nodePort;
  for (const field of ['externalTrafficPolicy', 'healthCheckNodePort', 'allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const) {
    if (equalJson(now[field], before[field])) delete now[field];
  }
}

/** Who updates a service without naming its addresses and node ports means to keep them. */
function keepAllocated(draft: KubeObject, old: KubeObject): void {
  const [now, before] = [typed<Service>(draft).spec!, typed<Service>(old).spec!];
  dropUnneeded(now, before);
  if (now.type === 'ExternalName' || before.type === 'ExternalName') return;
  if (!now.clusterIP && before.clusterIP) {
    now.clusterIP = before.clusterIP;
    if (before.clusterIPs !== undefined) now.clusterIPs ??= before.clusterIPs;
  }
  if (before.ipFamilies !== undefined) now.ipFamilies ??= before.ipFamilies;
  if (before.ipFamilyPolicy !== undefined) now.ipFamilyPolicy ??= before.ipFamilyPolicy;
  if (!hasNodePorts(now.type)) return;
  const taken = new Set((now.ports ?? []).map(({ nodePort }) => nodePort));
  for (const port of now.ports ?? []) {
    if (port.nodePort) continue;
    const same = before.ports?.find((other) => other.port === port.port && other.protocol === port.protocol);
    if (same?.nodePort && !taken.has(same.nodePort)) port.nodePort = same.nodePort;
  }
}

export function hasNodePorts(type: string | undefined): boolean {
  return type === 'NodePort' || type === 'LoadBalancer';
}

function validateService(object: KubeObject): FieldError[] {
  const spec = typed<Service>(object).spec!;
  const errors: FieldError[] = [];
  if (!TYPES.includes(spec.type ?? '')) errors.push(notSupported('spec.type', spec.type, TYPES));
  if (!['None', 'ClientIP'].includes(spec.sessionAffinity ?? '')) {
    errors.push(notSupported('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']));
  }
  if (spec.type === 'ExternalName') {
    if (spec.externalName === undefined || spec.externalName === '') errors.push(required('spec.externalName'));
    else for (const message of checkDnsSubdomain(spec.externalName)) errors.push(invalid('spec.externalName', spec.externalName, message));
    if (spec.clusterIP) errors.push(forbiddenField('spec.clusterIPs', 'may not be set when `type` is ExternalName'));
  } else if ((spec.ports ?? []).length === 0 && spec.clusterIP !== 'None') errors.push(required('spec.ports'));
  if (spec.clusterIP && spec.clusterIP !== 'None') {
    for (const message of checkIPv4(spec.clusterIP)) errors.push(invalid('spec.clusterIPs[0]', spec.clusterIP, message));
  }
  if (spec.clusterIP === 'None' && hasNodePorts(spec.type)) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  }
  if (spec.externalTrafficPolicy && !hasNodePorts(spec.type) && (spec.externalIPs ?? []).length === 0) {
    errors.push(invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'));
  }
  errors.push(...validateLabels(spec.selector, 'spec.selector'), ...validatePorts(spec));
  return errors;
}

function validatePorts(spec: NonNullable<Service['spec']>): FieldError[] {
  const errors: FieldError[] = [];
  const ports = spec.ports ?? [];
  const [names, pairs, nodePorts] = [new Set<string>(), new Set<string>(), new Set<string>()];
  ports.forEach((port, index) => {
    const path = `spec.ports[${index}]`;
    if (!port.name && ports.length > 1) errors.push(required(`${path}.name`));
    if (port.name) {
      for (const message of checkDnsLabel(port.name)) errors.push(invalid(`${path}.name`, port.name, message));
      if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name));
      names.add(port.name);
    }
    for (const message of checkPortNumber(port.port)) errors.push(invalid(`${path}.port`, port.port, message));
    if (!PROTOCOLS.includes(port.protocol ?? '')) errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS));
    const { targetPort } = port;
    const targetErrors = typeof targetPort === 'number' ? checkPortNumber(targetPort) : typeof targetPort === 'string' ? checkPortName(targetPort) : [];
    for (const message of targetErrors) errors.push(invalid(`${path}.targetPort`, targetPort, message));
    if (port.nodePort && !hasNodePorts(spec.type)) {
      errors.push(forbiddenField(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    }
    const pair = `${port.protocol}/${port.port}`;
    if (pairs.has(pair)) errors.push(duplicate(path, { port: port.port, protocol: port.protocol }));
    pairs.add(pair);
    const nodePair = `${port.protocol}/${port.nodePort}`;
    if (port.nodePort && nodePorts.has(nodePair)) errors.push(duplicate(`${path}.nodePort`, port.nodePort));
    nodePorts.add(nodePair);
  });
  return errors;
}

function portText({ port, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}

function externalText(object: KubeObject): string {
  const { spec, status } = typed<Service>(object);
  if (spec?.type === 'ExternalName') return spec.externalName ?? '<none>';
  const addresses = [
    ...(status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? ''),
    ...(spec?.externalIPs ?? []),
  ].filter((address) => address !== '');
  if (addresses.length > 0) return addresses.join(',');
  return spec?.type === 'LoadBalancer' ? '<pending>' : '<none>';
}

// --- what stands behind a service

/** Columns list so many, then say how many more there are. */
const SHOWN_MAX = 3;

function shortList(items: readonly string[], none = '<none>'): string {
  if (items.length === 0) return none;
  const more = items.length - SHOWN_MAX;
  return items.slice(0, SHOWN_MAX).join(',') + (more > 0 ? ` + ${more} more...` : '');
}

export const endpoints: Kind = {
  info: infoOf('endpoints'),
  model: 'V1Endpoints',
  subresources: [],
  hasGeneration: false,
  checkName: checkDnsSubdomain,
  validate: (object) =>
    (typed<Endpoints>(object).subsets ?? []).flatMap((subset, at) => [
      ...[...(subset.addresses ?? [])].flatMap(({ ip }, index) =>
        checkIPv4(ip).map((message) => invalid(`subsets[${at}].addresses[${index}].ip`, ip, message)),
      ),
      ...(subset.ports ?? []).flatMap(({ port }, index) =>
        checkPortNumber(port).map((message) => invalid(`subsets[${at}].ports[${index}].port`, port, message)),
      ),
    ]),
  selectableFields: {},
  columns: [
    column('Endpoints', (object) =>
      shortList(
        (typed<Endpoints>(object).subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
          addresses.flatMap(({ ip }) => (ports.length === 0 ? [ip] : ports.map(({ port }) => `${ip}:${port}`))),
        ),
      ),
    ),
  ],
};

export const endpointSlices: Kind = {
  info: infoOf('endpointslices'),
  model: 'V1EndpointSlice',
  subresources: [],
  hasGeneration: true,
  checkName: checkDnsSubdomain,
  validate: (object) => {
    const { addressType, endpoints: list } = typed<EndpointSlice>(object);
    const errors: FieldError[] = [];
    if (!['IPv4', 'IPv6', 'FQDN'].includes(addressType)) errors.push(notSupported('addressType', addressType, ['FQDN', 'IPv4', 'IPv6']));
    list.forEach(({ addresses }, index) => {
      if (addresses.length === 0) errors.push(required(`endpoints[${index}].addresses`, 'must contain at least 1 address'));
      if (addressType !== 'IPv4') return;
      addresses.forEach((address, at) => {
        for (const message of checkIPv4(address)) errors.push(invalid(`endpoints[${index}].addresses[${at}]`, address, message));
      });
    });
    return errors;
  },
  selectableFields: {},
  columns: [
    column('AddressType', (object) => textAt(object, 'addressType')),
    column('Ports', (object) => shortList((typed<EndpointSlice>(object).ports ?? []).map(({ port }) => String(port ?? '*')), '<unset>')),
    column('Endpoints', (object) => shortList(typed<EndpointSlice>(object).endpoints.flatMap(({ addresses }) => addresses), '<unset>')),
  ],
};
