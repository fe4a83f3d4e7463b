/** Requests that a Kubernetes API server refuses, and the ways to say them shortly. */
import { apiVersionOf, findKind } from '../../../src/kube/resources.ts';
import { cloneJson, isRecord, setField } from '../../../src/kube/types.ts';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: unknown;
  readonly [field: string]: unknown;
}

export interface BadRequest {
  /** What is wrong with it; also the key of its answer. */
  readonly name: string;
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'GET';
  readonly path: string;
  readonly body?: unknown;
  /** In place of a body that is JSON. */
  readonly text?: string;
  readonly type?: string;
  /** What must be there before; it is created by its own POST. */
  readonly given?: readonly Manifest[];
}

export function pathOf({ apiVersion, kind, metadata }: Manifest, isNamed: boolean, suffix = ''): string {
  const info = findKind(apiVersion, kind);
  if (info === undefined) throw new Error(`no kind ${kind} in ${apiVersion}`);
  const { name = '', namespace = 'default' } = (isRecord(metadata) ? metadata : {}) as { name?: string; namespace?: string };
  const root = info.group === '' ? '/api/v1' : `/apis/${apiVersionOf(info)}`;
  const place = info.namespaced ? `${root}/namespaces/${namespace}` : root;
  return `${place}/${info.resource}${isNamed ? `/${name}` : ''}${suffix}`;
}

/** A POST of something that must not become an object. */
export function creating(name: string, body: Manifest): BadRequest {
  return { name, method: 'POST', path: pathOf({ ...body, metadata: {} }, false), body };
}

/** A PUT of the changed object. */
export function changing(name: string, given: Manifest, fields: Readonly<Record<string, unknown>>, part = ''): BadRequest {
  return { name, method: 'PUT', path: pathOf(given, true, part), body: withFields(given, fields), given: [given] };
}

export const PATCHES = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export function patching(name: string, given: Manifest, type: keyof typeof PATCHES, body: unknown, suffix = ''): BadRequest {
  return { name, method: 'PATCH', path: pathOf(given, true, suffix), type: PATCHES[type], body, given: [given] };
}

/** A copy with values put at paths like `spec.containers.0.image`; undefined takes the field away. */
export function withFields<T extends Manifest>(manifest: T, fields: Readonly<Record<string, unknown>>): T {
  const copy = cloneJson(manifest);
  for (const [path, value] of Object.entries(fields)) {
    const parts = path.split('/').length > 1 ? path.split('/') : path.split('.');
    const last = parts.pop()!;
    let at: unknown = copy;
    for (const part of parts) at = (at as Record<string, unknown>)[part] ??= {};
    if (value === undefined) delete (at as Record<string, unknown>)[last];
    else if (Array.isArray(at)) at[Number(last)] = value;
    else setField(at as Record<string, unknown>, last, value);
  }
  return copy;
}

// --- what the requests start from

export const labels = { app: 'x' };
const containers = [{ name: 'main', image: 'web:1' }];
export const template = (spec: object = {}) => ({ metadata: { labels }, spec: { containers, ...spec } });

export const pod = (spec: object = {}, metadata: object = {}): Manifest => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', ...metadata }, spec: { containers, ...spec },
});

/** Of a pod with one container. */
export const container = (fields: object): Manifest => pod({ containers: [{ ...containers[0], ...fields }] });

export const workload = (kind: 'Deployment' | 'ReplicaSet' | 'DaemonSet' | 'StatefulSet', spec: object = {}, metadata: object = {}): Manifest => ({
  apiVersion: 'apps/v1', kind, metadata: { name: 'x', ...metadata }, spec: { selector: { matchLabels: labels }, template: template(), ...(kind === 'StatefulSet' ? { serviceName: 'x' } : {}), ...spec },
});

export const job = (spec: object = {}, metadata: object = {}): Manifest => ({
  apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'x', ...metadata }, spec: { template: template({ restartPolicy: 'Never' }), ...spec },
});

export const cronJob = (spec: object = {}, metadata: object = {}): Manifest => ({
  apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'x', ...metadata }, spec: { schedule: '* * * * *', jobTemplate: { spec: { template: template({ restartPolicy: 'Never' }) } }, ...spec },
});

export const service = (spec: object = {}, metadata: object = {}): Manifest => ({
  apiVersion: 'v1', kind: 'Service', metadata: { name: 'x', ...metadata }, spec: { selector: labels, ports: [{ port: 80 }], ...spec },
});

export const configMap = (fields: object = {}, metadata: object = {}): Manifest => ({
  apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', ...metadata }, data: { a: '1' }, ...fields,
});

/** Of a kind about which nothing else is known here. */
export const object = (apiVersion: string, kind: string, fields: object = {}, metadata: object = {}): Manifest => ({
  apiVersion, kind, metadata: { name: 'x', ...metadata }, ...fields,
});
