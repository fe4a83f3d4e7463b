/**
 * Fields that stay what an object was made with, by model: what no schema says. Rules that look at more than one field are
 * the kinds' own (`validateUpdate`). test/api/defaults holds all of it against a real API server.
 */
import { forbiddenField, invalid, type FieldError } from '../../kube/errors.ts';
import { equalJson, isRecord, type KubeObject } from '../../kube/types.ts';
import { IMMUTABLE } from './validate.ts';

interface ImmutableField {
  readonly path: string;
  /** What the refusal names, where that is not the path. */
  readonly named?: string;
  /** Refused as forbidden, in these words, rather than as a value that is invalid. */
  readonly forbidden?: string;
  /** It may still be given to an object that has none. */
  readonly onceSet?: true;
}

const SELECTOR: ImmutableField = { path: 'spec.selector' };
const field = (path: string): ImmutableField => ({ path });

export const IMMUTABLE_FIELDS: Readonly<Record<string, readonly ImmutableField[]>> = {
  V1Deployment: [SELECTOR],
  V1ReplicaSet: [SELECTOR],
  V1DaemonSet: [SELECTOR],
  V1ControllerRevision: [field('data')],
  V1Job: [SELECTOR, field('spec.completionMode'), field('spec.podFailurePolicy'), field('spec.successPolicy'), field('spec.backoffLimitPerIndex'), field('spec.managedBy')],
  V1Node: [{ path: 'spec.podCIDR', onceSet: true }],
  V1ResourceQuota: [field('spec.scopeSelector')],
  V1EndpointSlice: [field('addressType')],
  V1IngressClass: [field('spec.controller')],
  V1IPAddress: [field('spec.parentRef')],
  V1ServiceCIDR: [{ path: 'spec.cidrs', named: 'spec.cidrs[0]' }],
  V1PersistentVolume: [{ path: 'spec.volumeMode', named: 'volumeMode' }],
  V1PersistentVolumeClaim: [{ path: 'spec.volumeMode', named: 'volumeMode' }],
  V1CSIDriver: [{ path: 'spec.attachRequired', named: 'spec.attachedRequired' }, field('spec.volumeLifecycleModes')],
  V1CSIStorageCapacity: [field('storageClassName'), field('nodeTopology')],
  V1VolumeAttachment: [field('spec')],
  V1VolumeAttributesClass: [
    { path: 'driverName', forbidden: 'updates to driverName are forbidden.' },
    { path: 'parameters', forbidden: 'updates to parameters are forbidden.' },
  ],
  V1PriorityClass: [{ path: 'value', forbidden: 'may not be changed in an update.' }, field('preemptionPolicy')],
  V1RuntimeClass: [field('handler')],
};

export function immutableErrors(model: string, object: KubeObject, old: KubeObject): FieldError[] {
  return (IMMUTABLE_FIELDS[model] ?? []).flatMap(({ path, named = path, forbidden, onceSet }) => {
    const [now, before] = [at(object, path), at(old, path)];
    if (equalJson(now, before) || (onceSet === true && before === undefined)) return [];
    return [forbidden === undefined ? invalid(named, now, IMMUTABLE) : forbiddenField(named, forbidden)];
  });
}

function at(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), object);
}
