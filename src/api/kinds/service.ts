import type { EndpointSubset, Endpoints, Service, ServicePort } from 'kubernetes-types/core/v1.js';
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, required } from '../../kube/errors.ts';
import { checkCidr, checkDnsLabel, checkDnsSubdomain, checkIp, checkPortName, checkPortNumber, isIPv6 } from '../../kube/names.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { formatAge } from '../../kube/age.ts';
import { checked, findDuplicates, oneOf, validateLabels } from '../core/validate.ts';
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
  checkName: checkDnsLabel,
  prepareForCreate: (draft) => (draft['status'] = { loadBalancer: {} }),
  prepareForUpdate: keepAllocated,
  validate: validateService,
  validateUpdate: (object, old) => {
    const [now, before] = [typed<Service>(object).spec!, typed<Service>(old).spec!];
    if (now.type === 'ExternalName' || before.type === 'ExternalName' || !before.clusterIP) return [];
    const isSame = now.clusterIP === before.clusterIP;
    return [...(isSame ? [] : [invalid('spec.clusterIPs[0]', [now.clusterIP], 'may not change once set')]), ...sameFamilyAndClass(now, before)];
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
  const { healthCheckNodePort } = before;
  if (hasHealthCheckPort(now) && healthCheckNodePort !== undefined) now.healthCheckNodePort ||= healthCheckNodePort;
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

/** At which balancers ask a node whether it has endpoints of its own. */
export function hasHealthCheckPort({ type, externalTrafficPolicy }: Pick<ServiceSpec, 'type' | 'externalTrafficPolicy'>): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
}

type FullSpec = NonNullable<Service['spec']> & {
  internalTrafficPolicy?: string;
  ipFamilies?: string[];
  ipFamilyPolicy?: string;
  clusterIPs?: string[];
};

function validateService(object: KubeObject): FieldError[] {
  const spec: FullSpec = typed<Service>(object).spec!;
  const isExternalName = spec.type === 'ExternalName';
  const errors: FieldError[] = [];
  if (!isExternalName && (spec.ports ?? []).length === 0 && spec.clusterIP !== 'None') errors.push(required('spec.ports'));
  if (isExternalName && spec.clusterIP) errors.push(forbiddenField('spec.clusterIPs', 'may not be set for ExternalName services'));
  if (isExternalName) {
    if (spec.externalName === undefined || spec.externalName === '') errors.push(required('spec.externalName'));
    else errors.push(...checked('spec.externalName', spec.externalName, checkDnsSubdomain(spec.externalName)));
  }
  if (spec.clusterIP && spec.clusterIP !== 'None' && !isExternalName) errors.push(...checked('spec.clusterIPs[0]', spec.clusterIP, checkIp(spec.clusterIP)));
  if (spec.clusterIP === 'None' && hasNodePorts(spec.type)) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  }
  errors.push(...validatePorts(spec), ...validateLabels(spec.selector, 'spec.selector'), ...validateAffinity(spec));
  spec.externalIPs?.forEach((ip, index) => errors.push(...validatePublicIp(ip, `spec.externalIPs[${index}]`)));
  errors.push(...oneOf('spec.type', spec.type, TYPES), ...validateTraffic(spec), ...validateFamilies(spec));
  return errors;
}

const CLIENT_IP_SECONDS_MAX = 86_400;

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: FullSpec): FieldError[] {
  const errors = oneOf('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None']);
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity !== 'ClientIP' || seconds === undefined || (seconds > 0 && seconds <= CLIENT_IP_SECONDS_MAX)) return errors;
  return [...errors, invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, `must be greater than 0 and less than ${CLIENT_IP_SECONDS_MAX}`)];
}

/** Of an address that others than this machine can reach. */
function validatePublicIp(ip: string, path: string): FieldError[] {
  const isLoopback = checkIp(ip).length === 0 && (ip.startsWith('127.') || ip === '::1');
  return isLoopback ? [invalid(path, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')] : validateReachedIp(ip, path);
}

/** Of what stands behind a service. Loopback will do: pods that are processes, and servers, of one machine have such addresses. */
function validateReachedIp(ip: string, path: string): FieldError[] {
  const errors = checked(path, ip, checkIp(ip));
  if (errors.length > 0) return errors;
  const refuse = (why: string) => [invalid(path, ip, why)];
  if (ip === '0.0.0.0' || ip === '::') return refuse('may not be unspecified (0.0.0.0 or ::)');
  return ip.startsWith('169.254.') ? refuse('may not be in the link-local range (169.254.0.0/16, fe80::/10)') : [];
}

const POLICIES = ['Cluster', 'Local'];

function validateTraffic(spec: FullSpec): FieldError[] {
  const errors: FieldError[] = [];
  const isBalancer = spec.type === 'LoadBalancer';
  const ranges = 'spec.LoadBalancerSourceRanges';
  if ((spec.loadBalancerSourceRanges ?? []).length > 0 && !isBalancer) errors.push(forbiddenField(ranges, "may only be used when `type` is 'LoadBalancer'"));
  else spec.loadBalancerSourceRanges?.forEach((range, index) => errors.push(...checked(`${ranges}[${index}]`, range, checkCidr(range.trim()))));
  const isReached = hasNodePorts(spec.type) || ((spec.externalIPs ?? []).length > 0 && spec.type === 'ClusterIP');
  if (spec.externalTrafficPolicy !== undefined && !isReached) {
    errors.push(invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'));
  } else errors.push(...oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, POLICIES));
  if (spec.healthCheckNodePort && !hasHealthCheckPort(spec)) {
    errors.push(invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"));
  }
  return [...errors, ...oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, POLICIES)];
}

function validateFamilies({ ipFamilies = [], ipFamilyPolicy }: FullSpec): FieldError[] {
  return [
    ...ipFamilies.flatMap((family, index) => oneOf(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6'])),
    ...oneOf('spec.ipFamilyPolicy', ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']),
  ];
}

function validatePorts(spec: FullSpec): FieldError[] {
  const errors: FieldError[] = [];
  const ports = spec.ports ?? [];
  const [names, pairs, nodePorts] = [new Set<string>(), new Set<string>(), new Set<string>()];
  ports.forEach((port, index) => {
    const path = `spec.ports[${index}]`;
    if (!port.name && ports.length > 1) errors.push(required(`${path}.name`));
    if (port.name) {
      errors.push(...checked(`${path}.name`, port.name, checkDnsLabel(port.name)));
      if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name));
      names.add(port.name);
    }
    errors.push(...checked(`${path}.port`, port.port, checkPortNumber(port.port)), ...oneOf(`${path}.protocol`, port.protocol, PROTOCOLS));
    const { targetPort } = port;
    if (targetPort !== undefined) errors.push(...checked(`${path}.targetPort`, targetPort, typeof targetPort === 'number' ? checkPortNumber(targetPort) : checkPortName(targetPort)));
    if (port.nodePort && !hasNodePorts(spec.type)) errors.push(forbiddenField(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    const pair = `${port.protocol}/${port.port}`;
    if (pairs.has(pair)) errors.push(duplicate(path, { port: port.port, protocol: port.protocol }));
    pairs.add(pair);
    const nodePair = `${port.protocol}/${port.nodePort}`;
    if (port.nodePort && nodePorts.has(nodePair)) errors.push(invalid(`${path}.nodePort`, port.nodePort, 'provided port is already allocated'));
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

function validateSubset({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (addresses.length === 0 && notReadyAddresses.length === 0) errors.push(required(path, 'must specify `addresses` or `notReadyAddresses`'));
  const check = (list: readonly { readonly ip: string }[], at: string) => list.forEach(({ ip }, index) => {
    errors.push(...validateReachedIp(ip, `${at}[${index}].ip`));
    // Kubernetes says it twice, in other words.
    if (checkIp(ip).length > 0) errors.push(invalid(`${at}[${index}].ip`, ip, 'must be a valid IP address'));
  });
  check(addresses, `${path}.addresses`);
  check(notReadyAddresses, `${path}.notReadyAddresses`);
  ports.forEach(({ name = '', port, protocol }, index) => {
    const at = `${path}.ports[${index}]`;
    if (name === '' && ports.length > 1) errors.push(required(`${at}.name`));
    else if (name !== '') errors.push(...checked(`${at}.name`, name, checkDnsLabel(name)));
    errors.push(...checked(`${at}.port`, port, checkPortNumber(port)), ...oneOf(`${at}.protocol`, protocol, PROTOCOLS));
  });
  return errors;
}

export const endpoints: Kind = {
  info: infoOf('endpoints'),
  model: 'V1Endpoints',
  subresources: [],
  hasGeneration: false,
  checkName: checkDnsSubdomain,
  validate: (object) => (typed<Endpoints>(object).subsets ?? []).flatMap((subset, index) => validateSubset(subset, `subsets[${index}]`)),
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
    const { addressType, endpoints: list, ports = [] } = typed<EndpointSlice>(object);
    const errors: FieldError[] = [];
    if (addressType === '') errors.push(required('addressType'));
    else errors.push(...oneOf('addressType', addressType, ['FQDN', 'IPv4', 'IPv6']));
    list.forEach(({ addresses }, index) => {
      if (addresses.length === 0) errors.push(required(`endpoints[${index}].addresses`));
    });
    errors.push(...findDuplicates(ports.map(({ name }) => name), (index) => `ports[${index}].name`));
    ports.forEach(({ protocol }, index) => errors.push(...oneOf(`ports[${index}].protocol`, protocol, PROTOCOLS)));
    return errors;
  },
  validateCreate: (object) => validateAddresses(typed<EndpointSlice>(object), []),
  // Of another type of addresses only the type is said, not that none of them is of it.
  validateUpdate: (object, old) => validateAddresses(typed<EndpointSlice>(object), typed<EndpointSlice>(old).endpoints.flatMap(({ addresses }) => addresses)),
  selectableFields: {},
  columns: [
    column('AddressType', (object) => textAt(object, 'addressType')),
    column('Ports', (object) => shortList((typed<EndpointSlice>(object).ports ?? []).map(({ port, name }) => String(port ?? (name || '*'))), '<unset>')),
    column('Endpoints', (object) => shortList(typed<EndpointSlice>(object).endpoints.flatMap(({ addresses }) => addresses), '<unset>')),
  ],
};

function validateAddresses({ addressType, endpoints: list }: EndpointSlice, accepted: readonly string[]): FieldError[] {
  return list.flatMap(({ addresses }, index) =>
    addresses.flatMap((address, at) => (accepted.includes(address) ? [] : checked(`endpoints[${index}].addresses[${at}]`, address, checkAddress(addressType, address)))),
  );
}

function checkAddress(type: string, address: string): string[] {
  if (type === 'FQDN') return checkDnsSubdomain(address);
  if (type === 'IPv6') return isIPv6(address) ? [] : ['must be an IPv6 address'];
  return checkIp(address);
}
