/** Subresources that are views of an object: `scale`, and what `binding` does to a pod. */
import type { Binding, Pod } from 'kubernetes-types/core/v1.js';
import { badRequest, conflict, invalid, invalidObject, notSupported, required } from '../../kube/errors.ts';
import { apiVersionOf, type ResourceInfo } from '../../kube/resources.ts';
import { formatSelector, type LabelSelector } from '../../kube/selector.ts';
import { withCondition } from '../../kube/conditions.ts';
import { cloneJson, isRecord, typed, type KubeObject, type ObjectMeta, type Status } from '../../kube/types.ts';
import type { Kind } from '../kinds/kind.ts';
import { decodeAs, type FieldValidation } from './draft.ts';

const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' } as const;
const BINDING = { group: '', version: 'v1', kind: 'Binding' } as const;

export function scaleOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const spec = object['spec'] as { replicas?: number; selector?: unknown } | undefined; // of a kind that scales
  // The eldest of them selects by labels alone.
  const selector = (object.kind === 'ReplicationController' ? { matchLabels: spec?.selector } : spec?.selector) as LabelSelector | undefined;
  const status = object['status'] as { replicas?: number } | undefined;
  const metadata = Object.fromEntries(
    Object.entries({ name, namespace, uid, resourceVersion, creationTimestamp }).filter(([, value]) => value !== undefined),
  ) as unknown as ObjectMeta; // the name is there
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata,
    // As Go writes it: a 0 is left out.
    spec: spec?.replicas ? { replicas: spec.replicas } : {},
    status: { replicas: status?.replicas ?? 0, selector: selector === undefined ? '' : formatSelector(selector) },
  };
}

export function decodeScale(body: unknown, validation: FieldValidation): KubeObject {
  if (!isRecord(body)) throw badRequest('the body of the request is not an object');
  return decodeAs(SCALE, 'V1Scale', body, validation);
}

/** The same wish as a config of the object itself, for server-side apply. */
export function configOfScale({ info }: Kind, scale: KubeObject): KubeObject {
  const { name, namespace } = scale.metadata;
  const { replicas } = (scale['spec'] ?? {}) as { replicas?: number }; // as the schema of a scale has it
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: apiVersionOf(info), kind: info.kind, metadata, spec: replicas === undefined ? {} : { replicas } };
}

/** The object as a client would send it to be so many. */
export function withScale(kind: Kind, object: KubeObject, scale: KubeObject): KubeObject {
  const replicas = (scale['spec'] as { replicas?: number } | undefined)?.replicas ?? 0;
  if (replicas < 0) {
    const errors = [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')];
    throw invalidObject({ ...kind.info, ...SCALE, resource: kind.info.resource }, object.metadata.name, errors);
  }
  const scaled = cloneJson(object);
  scaled['spec'] = { ...(object['spec'] as object | undefined), replicas };
  return scaled;
}

/** A binding may also be created by itself, beside the pod that it names. Undefined: it is something else that is asked for. */
export function podOfBinding<R extends BoundRef>(ref: R): R | undefined {
  const isBinding = ref.group === '' && ref.version === 'v1' && ref.resource === BINDINGS;
  return isBinding && ref.subresource === '' ? { ...ref, resource: 'pods', subresource: 'binding' } : undefined;
}

interface BoundRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
}

export const BINDINGS = 'bindings';

export const BINDINGS_INFO: ResourceInfo = {
  ...BINDING, resource: BINDINGS, singular: 'binding', shortNames: [], namespaced: true, categories: [],
};

export function decodeBinding(body: unknown, validation: FieldValidation): KubeObject {
  if (!isRecord(body)) throw badRequest('the body of the request is not an object');
  const binding = decodeAs(BINDING, 'V1Binding', body, validation);
  const { target } = typed<Binding>(binding);
  const info = { ...BINDING, resource: BINDINGS };
  if (target?.kind !== undefined && target.kind !== '' && target.kind !== 'Node') {
    throw invalidObject(info, binding.metadata.name, [notSupported('target.kind', target.kind, ['Node', '<empty>'])]);
  }
  if (!target?.name) throw invalidObject(info, binding.metadata.name, [required('target.name')]);
  return binding;
}

/** The pod, bound to the node that the binding names. A pod is bound once. */
export function bound(kind: Kind, pod: KubeObject, binding: KubeObject, now: string): KubeObject {
  const { name } = pod.metadata;
  const nodeName = typed<Binding>(binding).target.name!;
  const info = { ...kind.info, resource: 'pods/binding' };
  const current = typed<Pod>(pod).spec?.nodeName ?? '';
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(info, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (current !== '') throw conflict(info, name, `pod ${name} is already assigned to node ${JSON.stringify(current)}`);
  const object = cloneJson(pod);
  const draft = typed<Pod>(object);
  draft.spec!.nodeName = nodeName;
  const annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  if (Object.keys(annotations).length > 0) object.metadata.annotations = annotations;
  const scheduled = { type: 'PodScheduled', status: 'True' as const };
  const others = (draft.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const before = (draft.status?.conditions ?? []).filter(({ type, status }) => type === 'PodScheduled' && status === 'True');
  object['status'] = { ...draft.status, conditions: [...others, ...withCondition(before, scheduled, now)] };
  return object;
}

/** What `binding` and `eviction` answer. */
export function success(): KubeObject {
  const status: Omit<Status, 'message' | 'reason'> = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return status as unknown as KubeObject; // a Status has no name
}
