/** networking.k8s.io. */
import type { HTTPIngressPath, IPBlock, Ingress, IngressBackend, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from 'kubernetes-types/networking/v1.js';
import { type FieldError, forbiddenField, invalid, required } from '../../kube/errors.ts';
import { checkCidr, checkDnsLabel, checkDnsSubdomain, checkIp, checkPortName, checkPortNumber, isIPv4, isIPv6 } from '../../kube/names.ts';
import { formatSelector, validateSelector } from '../../kube/selector.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { checked, oneOf } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { column, shown, textAt, type Kind } from './kind.ts';

const plain = { subresources: [], hasGeneration: false, checkName: checkDnsSubdomain, selectableFields: {} } as const;

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];

export const ingresses: Kind = {
  ...plain,
  info: infoOf('ingresses'),
  model: 'V1Ingress',
  subresources: ['status'],
  hasGeneration: true,
  prepareForCreate: (draft) => (draft['status'] = { loadBalancer: {} }),
  validate: validateIngress,
  columns: [
    column('Class', (object) => shown(object, 'spec', 'ingressClassName')),
    column('Hosts', hostsText),
    column('Address', (object) => (typed<Ingress>(object).status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').join(',')),
    column('Ports', (object) => ((typed<Ingress>(object).spec?.tls ?? []).length > 0 ? '80, 443' : '80')),
  ],
};

function validateIngress(object: KubeObject): FieldError[] {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = typed<Ingress>(object).spec ?? {};
  const errors: FieldError[] = [];
  if (rules.length === 0 && defaultBackend === undefined) errors.push(invalid('spec', null, 'either `defaultBackend` or `rules` must be specified'));
  if (defaultBackend !== undefined) errors.push(...validateBackend(defaultBackend, 'spec.defaultBackend'));
  rules.forEach(({ host, http }, index) => {
    const at = `spec.rules[${index}]`;
    if (host) errors.push(...validateHost(host, `${at}.host`));
    if (http?.paths.length === 0) errors.push(required(`${at}.http.paths`));
    http?.paths.forEach((path, place) => errors.push(...validatePath(path, `${at}.http.paths[${place}]`)));
  });
  tls.forEach(({ hosts = [] }, index) => hosts.forEach((host, place) => errors.push(...validateTlsHost(host, `spec.tls[${index}].hosts[${place}]`))));
  if (ingressClassName !== undefined) errors.push(...checked('spec.ingressClassName', ingressClassName, checkDnsSubdomain(ingressClassName)));
  return errors;
}

function validateHost(host: string, path: string): FieldError[] {
  if (isIPv4(host) || isIPv6(host)) return [invalid(path, host, 'must be a DNS name, not an IP address')];
  return validateTlsHost(host, path);
}

function validateTlsHost(host: string, path: string): FieldError[] {
  return checked(path, host, host.includes('*') ? checkWildcard(host) : checkDnsSubdomain(host));
}

function checkWildcard(host: string): string[] {
  if (host.startsWith('*.') && checkDnsSubdomain(host.slice(2)).length === 0) return [];
  return [
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, " +
      "'-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is " +
      "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ];
}

/** Parts of a path that a proxy may read otherwise than it was meant. */
const ODD_PARTS = ['//', '/./', '/../', '%2f', '%2F'];

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, at: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!pathType) errors.push(required(`${at}.pathType`, 'pathType must be specified'));
  else errors.push(...oneOf(`${at}.pathType`, pathType, PATH_TYPES));
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'));
    for (const part of ODD_PARTS) if (path.includes(part)) errors.push(invalid(`${at}.path`, path, `must not contain '${part}'`));
  } else if (pathType === 'ImplementationSpecific' && path !== '' && !path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'));
  return [...errors, ...validateBackend(backend, `${at}.backend`)];
}

function validateBackend({ service, resource }: IngressBackend, path: string): FieldError[] {
  if (service !== undefined && resource !== undefined) return [invalid(path, '', 'cannot set both resource and service backends')];
  if (resource !== undefined) return [];
  if (service === undefined) return [invalid(path, '', 'resource or service backend is required')];
  const { name, port = {} } = service;
  const errors = name === '' ? [required(`${path}.service.name`)] : checked(`${path}.service.name`, name, checkDnsLabel(name));
  if (port.name && port.number) errors.push(invalid(path, '', 'cannot set both port name & port number'));
  else if (port.name) errors.push(...checked(`${path}.service.port.name`, port.name, checkPortName(port.name)));
  else if (port.number) errors.push(...checked(`${path}.service.port.number`, port.number, checkPortNumber(port.number)));
  else errors.push(required(path, 'port name or number is required'));
  return errors;
}

const POLICY_TYPES = ['Ingress', 'Egress'];

function validateNetworkPolicy(object: KubeObject): FieldError[] {
  const { policyTypes = [], podSelector, ingress = [], egress = [] } = typed<NetworkPolicy>(object).spec!;
  const errors = podSelector === undefined ? [] : validateSelector(podSelector, 'spec.podSelector');
  const check = (rules: readonly { readonly ports: readonly NetworkPolicyPort[]; readonly peers: readonly NetworkPolicyPeer[] }[], path: string, way: string) => {
    rules.forEach(({ ports, peers }, index) => {
      ports.forEach((port, place) => errors.push(...validatePolicyPort(port, `${path}[${index}].ports[${place}]`)));
      peers.forEach((peer, place) => errors.push(...validatePeer(peer, `${path}[${index}].${way}[${place}]`)));
    });
  };
  check(ingress.map(({ ports = [], from = [] }) => ({ ports, peers: from })), 'spec.ingress', 'from');
  check(egress.map(({ ports = [], to = [] }) => ({ ports, peers: to })), 'spec.egress', 'to');
  if (policyTypes.length > POLICY_TYPES.length) return [...errors, invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes')];
  return [...errors, ...policyTypes.flatMap((type, index) => oneOf(`spec.policyTypes[${index}]`, type, POLICY_TYPES))];
}

function validatePolicyPort({ port, protocol, endPort }: NetworkPolicyPort & { endPort?: number }, at: string): FieldError[] {
  const errors = oneOf(`${at}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
  if (port === undefined) return endPort === undefined ? errors : [...errors, invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is not specified')];
  errors.push(...checked(`${at}.port`, port, typeof port === 'number' ? checkPortNumber(port) : checkPortName(port)));
  if (endPort === undefined) return errors;
  if (typeof port === 'string') return [...errors, invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is non-numeric')];
  if (endPort < port) errors.push(invalid(`${at}.endPort`, endPort, 'must be greater than or equal to `port`'));
  return [...errors, ...checked(`${at}.endPort`, endPort, checkPortNumber(endPort))];
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, at: string): FieldError[] {
  const errors = podSelector === undefined ? [] : validateSelector(podSelector, `${at}.podSelector`);
  if (namespaceSelector !== undefined) errors.push(...validateSelector(namespaceSelector, `${at}.namespaceSelector`));
  if (ipBlock !== undefined) errors.push(...validateBlock(ipBlock, `${at}.ipBlock`));
  const others = Number(podSelector !== undefined) + Number(namespaceSelector !== undefined);
  if (others > 0 && ipBlock !== undefined) return [...errors, forbiddenField(at, 'may not specify both ipBlock and another peer')];
  return others === 0 && ipBlock === undefined ? [...errors, required(at, 'must specify a peer')] : errors;
}

function validateBlock({ cidr, except = [] }: IPBlock, at: string): FieldError[] {
  if (cidr === '') return [required(`${at}.cidr`)];
  const errors = checked(`${at}.cidr`, cidr, checkCidr(cidr));
  if (errors.length > 0) return errors;
  return except.flatMap((inner, index) => {
    const path = `${at}.except[${index}]`;
    const found = checked(path, inner, checkCidr(inner));
    return found.length > 0 || isStrictlyWithin(inner, cidr) ? found : [invalid(path, inner, 'must be a strict subset of `cidr`')];
  });
}

/** Both are ranges; those of IPv6 are compared by their length alone. */
function isStrictlyWithin(inner: string, outer: string): boolean {
  const [[a = '', x = ''], [b = '', y = '']] = [inner.split('/'), outer.split('/')];
  if (Number(x) <= Number(y)) return false;
  if (!isIPv4(a) || !isIPv4(b)) return isIPv4(a) === isIPv4(b);
  const bitsOf = (ip: string) => ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(y));
  return Math.floor(bitsOf(a) / size) === Math.floor(bitsOf(b) / size);
}

function hostsText(object: KubeObject): string {
  const hosts = (typed<Ingress>(object).spec?.rules ?? []).map(({ host }) => host || '*');
  if (hosts.length === 0) return '*';
  return hosts.length > 3 ? `${hosts.slice(0, 3).join(',')} + ${hosts.length - 3} more...` : hosts.join(',');
}

export const ingressClasses: Kind = {
  ...plain,
  info: infoOf('ingressclasses'),
  model: 'V1IngressClass',
  hasGeneration: true,
  validate: (object) => {
    const controller = textAt(object, 'spec', 'controller');
    if (controller === '') return [required('spec.controller')];
    return /^[^/]+\/./.test(controller) ? [] : [invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  },
  columns: [
    column('Controller', (object) => textAt(object, 'spec', 'controller')),
    column('Parameters', (object) => {
      const [kind, name, group] = ['kind', 'name', 'apiGroup'].map((field) => textAt(object, 'spec', 'parameters', field));
      return kind === '' ? '<none>' : `${kind}${group === '' ? '' : `.${group}`}/${name}`;
    }),
  ],
};

export const networkPolicies: Kind = {
  ...plain,
  info: infoOf('networkpolicies'),
  model: 'V1NetworkPolicy',
  hasGeneration: true,
  validate: validateNetworkPolicy,
  columns: [column('Pod-Selector', (object) => formatSelector(typed<NetworkPolicy>(object).spec?.podSelector))],
};

export const ipAddresses: Kind = {
  ...plain,
  info: infoOf('ipaddresses'),
  model: 'V1IPAddress',
  hasGeneration: false,
  checkName: checkIp,
  hasAgeColumn: false,
  validate: (object) => ('parentRef' in (object['spec'] as object) ? [] : [required('spec.parentRef')]),
  columns: [
    column('ParentRef', (object) => {
      const [group, resource, namespace, name] = ['group', 'resource', 'namespace', 'name'].map((field) => textAt(object, 'spec', 'parentRef', field));
      return [`${resource}${group === '' ? '' : `.${group}`}`, namespace, name].filter((part) => part !== '').join('/');
    }),
  ],
};

export const serviceCidrs: Kind = {
  ...plain,
  info: infoOf('servicecidrs'),
  model: 'V1ServiceCIDR',
  subresources: ['status'],
  hasGeneration: false,
  prepareForCreate: (draft) => (draft['status'] = {}),
  validate: (object) => {
    const { cidrs = [] } = (object['spec'] ?? {}) as { cidrs?: string[] };
    if (cidrs.length === 0) return [required('spec.cidrs', 'at least one CIDR required')];
    return cidrs.flatMap((cidr, index) => checked(`spec.cidrs[${index}]`, cidr, checkCidr(cidr)));
  },
  columns: [column('CIDRs', (object) => ((object['spec'] as { cidrs?: string[] } | undefined)?.cidrs ?? []).join(','))],
};
