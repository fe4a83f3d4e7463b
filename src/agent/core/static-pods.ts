/**
 * Pods that a node runs from files of a folder, whether or not there is an API server: how a file is read, how its pod is
 * named there, and which objects stand for it (mirrors). Pure. Names and annotations are the kubelet's.
 */
import type { ApiObject } from '../../client/objects.ts';
import { readYaml } from '../../kube/yaml.ts';
import type { AgentContainer, AgentPod } from './pod-spec.ts';

/** On a mirror: the hash of the pod that it stands for. */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const HASH_ANNOTATION = 'kubernetes.io/config.hash';
const SOURCE_ANNOTATION = 'kubernetes.io/config.source';
const SEEN_ANNOTATION = 'kubernetes.io/config.seen';

export type ReadManifest = { readonly ok: true; readonly pod: AgentPod } | { readonly ok: false; readonly message: string };

export interface ManifestPlace {
  readonly nodeName: string;
  readonly fileName: string;
  /** RFC 3339: when it was first read so. */
  readonly seenAt: string;
  /** A text as 32 hexadecimal digits: of the same file the same pod, also in another life of the agent. */
  readonly hash: (text: string) => string;
}

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** What asks the API server for something that a node without one could not know. */
const FORBIDDEN_VOLUMES = ['configMap', 'secret', 'projected', 'persistentVolumeClaim'] as const;

/** The pod of a file, as the API server would have filled in its defaults. */
export function readManifest(text: string, { nodeName, fileName, seenAt, hash }: ManifestPlace): ReadManifest {
  const documents = readYaml(text).filter(({ value, problems }) => value !== null || problems.length > 0);
  const [document] = documents;
  if (document === undefined || documents.length > 1) return refused(`a file holds one Pod, not ${documents.length}`);
  const [problem] = document.problems;
  if (problem !== undefined) return refused(`line ${problem.line}: ${problem.message}`);
  const message = whyNoPod(document.value);
  if (message !== undefined) return refused(message);
  const written = document.value as AgentPod; // whyNoPod has seen what is read of it below
  const uid = hash(`${nodeName}\n${fileName}\n${JSON.stringify(written)}`);
  const annotations = { ...written.metadata.annotations, [HASH_ANNOTATION]: uid, [SOURCE_ANNOTATION]: 'file', [SEEN_ANNOTATION]: seenAt };
  const metadata = { ...written.metadata, name: `${written.metadata.name}-${nodeName}`, namespace: written.metadata.namespace ?? 'default', uid, annotations };
  return { ok: true, pod: { apiVersion: 'v1', kind: 'Pod', metadata, spec: completed(written.spec, nodeName) } };
}

function completed(spec: AgentPod['spec'], nodeName: string): AgentPod['spec'] {
  // Nothing takes it from its node.
  const tolerations = [...(spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }];
  return { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...spec, tolerations, nodeName };
}

function refused(message: string): ReadManifest {
  return { ok: false, message };
}

type Unknown = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Unknown => typeof value === 'object' && value !== null && !Array.isArray(value);

function whyNoPod(value: unknown): string | undefined {
  if (!isMapping(value)) return 'it is no object';
  const { apiVersion, kind, metadata, spec } = value;
  if (apiVersion !== 'v1' || kind !== 'Pod') return `it is no Pod of v1: apiVersion ${JSON.stringify(apiVersion)}, kind ${JSON.stringify(kind)}`;
  const name = isMapping(metadata) ? metadata['name'] : undefined;
  if (typeof name !== 'string' || !NAME.test(name)) return `metadata.name: ${JSON.stringify(name)} is no name of a pod`;
  if (!isMapping(spec)) return 'spec: is missing';
  return whyNoContainers(spec['containers'], 'containers') ?? whyNoContainers(spec['initContainers'] ?? [], 'initContainers', 0) ?? whyForbidden(spec);
}

function whyNoContainers(list: unknown, field: string, min = 1): string | undefined {
  if (!Array.isArray(list) || list.length < min) return `spec.${field}: must name a container`;
  const names = new Set<unknown>();
  for (const [index, container] of list.entries()) {
    const at = `spec.${field}[${index}]`;
    if (!isMapping(container)) return `${at}: is no container`;
    const { name, image } = container as Partial<AgentContainer>;
    if (typeof name !== 'string' || !NAME.test(name)) return `${at}.name: ${JSON.stringify(name)} is no name of a container`;
    if (names.has(name)) return `${at}.name: there is another container ${name}`;
    if (typeof image !== 'string' || image === '') return `${at}.image: is missing`;
    names.add(name);
  }
  return undefined;
}

function whyForbidden(spec: Unknown): string | undefined {
  const volumes = Array.isArray(spec['volumes']) ? spec['volumes'] : [];
  for (const volume of volumes.filter(isMapping)) {
    const kind = FORBIDDEN_VOLUMES.find((one) => volume[one] !== undefined);
    if (kind !== undefined) return `spec.volumes: a pod of a file may not refer to other objects (${kind})`;
  }
  const account = spec['serviceAccountName'] ?? '';
  return account === '' ? undefined : 'spec.serviceAccountName: a pod of a file may not have a service account';
}

export function isMirror({ metadata }: Pick<ApiObject, 'metadata'>): boolean {
  return metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
}

/** Does the object stand for this pod, as it is now? */
export function isMirrorOf(object: AgentPod, pod: AgentPod): boolean {
  return object.metadata.annotations?.[MIRROR_ANNOTATION] === pod.metadata.uid;
}

/** By what the runtime knows the pod that an object of the API server stands for, or is. */
export function localUid({ metadata }: Pick<ApiObject, 'metadata'>): string {
  return metadata.annotations?.[MIRROR_ANNOTATION] ?? metadata.uid ?? '';
}

/** What the API server is given. `nodeUid`: of the node's object, which owns it; absent: not known yet. */
export function mirrorOf(pod: AgentPod, nodeUid: string | undefined): Omit<AgentPod, 'status'> {
  const { uid = '', annotations, name, namespace, labels } = pod.metadata;
  const owner = nodeUid === undefined ? [] : [{ apiVersion: 'v1', kind: 'Node', name: pod.spec.nodeName ?? '', uid: nodeUid, controller: true }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, [MIRROR_ANNOTATION]: uid },
      ...(owner.length === 0 ? {} : { ownerReferences: owner }),
    },
    spec: pod.spec,
  };
}

export type MirrorAction = { readonly kind: 'create' } | { readonly kind: 'delete'; readonly uid: string };

/** What is to be done so that one object stands for `pod`; `pod` undefined: there is none any more. `object`: what has its name. */
export function planMirror(pod: AgentPod | undefined, object: AgentPod | undefined): MirrorAction | undefined {
  if (object === undefined) return pod === undefined ? undefined : { kind: 'create' };
  // Somebody's own pod has the name: it is left alone.
  if (!isMirror(object)) return undefined;
  const isRight = pod !== undefined && isMirrorOf(object, pod) && object.metadata.deletionTimestamp === undefined;
  return isRight ? undefined : { kind: 'delete', uid: object.metadata.uid ?? '' };
}
