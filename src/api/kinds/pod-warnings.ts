/** What Kubernetes accepts in a pod and warns of, in its words: fields that are old, and values that cannot be meant. */
import type { Container, PodSpec, PodTemplateSpec } from 'kubernetes-types/core/v1.js';
import { parseQuantity } from '../../kube/quantity.ts';
import type { KubeObject } from '../../kube/types.ts';

const OLD_NODE_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
};

const OLD_ANNOTATIONS: readonly (readonly [prefix: string, text: string])[] = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['seccomp.security.alpha.kubernetes.io/pod', 'non-functional in v1.27+; use the "seccompProfile" field instead'],
  ['container.seccomp.security.alpha.kubernetes.io/', 'non-functional in v1.27+; use the "seccompProfile" field instead'],
  ['container.apparmor.security.beta.kubernetes.io/', 'deprecated since v1.30; use the "appArmorProfile" field instead'],
];

const NANO = 1_000_000_000n;

export function podSpecWarnings(spec: PodSpec, path: string): string[] {
  const warnings = Object.keys(spec.nodeSelector ?? {}).flatMap((label) => {
    const text = Object.hasOwn(OLD_NODE_LABELS, label) ? OLD_NODE_LABELS[label] : undefined;
    return text === undefined ? [] : [`${path}.nodeSelector[${label}]: ${text}`];
  });
  spec.volumes?.forEach((volume, index) => {
    if (volume.gitRepo !== undefined) warnings.push(`${path}.volumes[${index}].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`);
  });
  for (const field of ['initContainers', 'containers'] as const) {
    spec[field]?.forEach((container, index) => warnings.push(...containerWarnings(container, `${path}.${field}[${index}]`)));
  }
  return warnings;
}

export function podAnnotationWarnings(annotations: Readonly<Record<string, string>> | undefined, path: string): string[] {
  return Object.keys(annotations ?? {}).flatMap((key) => {
    const text = OLD_ANNOTATIONS.find(([prefix]) => (prefix.endsWith('/') ? key.startsWith(prefix) : key === prefix))?.[1];
    return text === undefined ? [] : [`${path}.annotations[${key}]: ${text}`];
  });
}

/** Of a kind whose pods' template stands at the path. */
export function templateWarnings(...path: readonly string[]): (object: KubeObject) => readonly string[] {
  const at = path.join('.');
  return (object) => {
    let value: unknown = object;
    for (const part of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined;
    const template = (value ?? {}) as PodTemplateSpec; // decoded: a template
    return [...(template.spec === undefined ? [] : podSpecWarnings(template.spec, `${at}.spec`)), ...podAnnotationWarnings(template.metadata?.annotations, `${at}.metadata`)];
  };
}

function containerWarnings(container: Container, at: string): string[] {
  const warnings: string[] = [];
  for (const part of ['limits', 'requests'] as const) {
    for (const [name, value] of Object.entries(container.resources?.[part] ?? {})) {
      const isBytes = name === 'memory' || name === 'ephemeral-storage' || name.startsWith('hugepages-');
      if (isBytes && (parseQuantity(value) ?? 0n) % NANO !== 0n) {
        warnings.push(`${at}.resources.${part}[${name}]: fractional byte value ${JSON.stringify(value)} is invalid, must be an integer`);
      }
    }
  }
  const seen = new Set<string>();
  container.env?.forEach(({ name, value, valueFrom }, index) => {
    // What names itself goes on from what it was.
    const isMeant = valueFrom === undefined && (value ?? '').includes(`$(${name})`);
    if (seen.has(name) && !isMeant) warnings.push(`${at}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`);
    seen.add(name);
  });
  const ports = new Map<string, number>();
  container.ports?.forEach(({ containerPort, protocol, hostPort, hostIP }, index) => {
    const same = [containerPort, protocol ?? 'TCP', hostPort ?? 0, hostIP ?? ''].join('/');
    const first = ports.get(same);
    if (first === undefined) ports.set(same, index);
    else warnings.push(`${at}.ports[${index}]: duplicate port definition with ${at}.ports[${first}]`);
  });
  return warnings;
}
