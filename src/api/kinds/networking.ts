/** networking.k8s.io. */
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import { type FieldError, invalid, notSupported } from '../../kube/errors.ts';
import { checkDnsSubdomain } from '../../kube/names.ts';
import { formatSelector, validateSelector } from '../../kube/selector.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { immutableField } from '../core/validate.ts';
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
  validate: (object) => {
    const { rules = [], defaultBackend } = typed<Ingress>(object).spec ?? {};
    if (rules.length === 0 && defaultBackend === undefined) return [invalid('spec', {}, 'either `defaultBackend` or `rules` must be specified')];
    return rules.flatMap(({ http }, index) =>
      (http?.paths ?? []).flatMap(({ path, pathType }, at): FieldError[] => {
        const place = `spec.rules[${index}].http.paths[${at}]`;
        if (!PATH_TYPES.includes(pathType)) return [notSupported(`${place}.pathType`, pathType, PATH_TYPES)];
        const isAbsolute = (path ?? '').startsWith('/') || (pathType === 'ImplementationSpecific' && !path);
        return isAbsolute ? [] : [invalid(`${place}.path`, path ?? '', 'must be an absolute path')];
      }),
    );
  },
  columns: [
    column('Class', (object) => shown(object, 'spec', 'ingressClassName')),
    column('Hosts', hostsText),
    column('Address', (object) => (typed<Ingress>(object).status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').join(',')),
    column('Ports', (object) => ((typed<Ingress>(object).spec?.tls ?? []).length > 0 ? '80, 443' : '80')),
  ],
};

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
  validateUpdate: (object, old) => immutableField('spec.controller', textAt(object, 'spec', 'controller'), textAt(old, 'spec', 'controller')),
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
  validate: (object) => {
    const { policyTypes = [], podSelector } = typed<NetworkPolicy>(object).spec ?? {};
    return [
      ...(podSelector === undefined ? [] : validateSelector(podSelector, 'spec.podSelector')),
      ...policyTypes.flatMap((type, index) => (['Egress', 'Ingress'].includes(type) ? [] : [notSupported(`spec.policyTypes[${index}]`, type, ['Egress', 'Ingress'])])),
    ];
  },
  columns: [column('Pod-Selector', (object) => formatSelector(typed<NetworkPolicy>(object).spec?.podSelector))],
};

export const ipAddresses: Kind = {
  ...plain,
  info: infoOf('ipaddresses'),
  model: 'V1IPAddress',
  hasGeneration: false,
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
  columns: [column('CIDRs', (object) => ((object['spec'] as { cidrs?: string[] } | undefined)?.cidrs ?? []).join(','))],
};
