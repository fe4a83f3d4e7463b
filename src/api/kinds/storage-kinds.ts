/** Volumes, claims and what makes them: the core group's, and storage.k8s.io. */
import type { PersistentVolume, PersistentVolumeClaim } from 'kubernetes-types/core/v1.js';
import type { CSIDriver, CSINode, StorageClass } from 'kubernetes-types/storage/v1.js';
import { type FieldError, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsSubdomain } from '../../kube/names.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { immutableField, IMMUTABLE } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, column, shown, textAt, wide, type Kind } from './kind.ts';

const plain = { subresources: [], hasGeneration: false, checkName: checkDnsSubdomain, selectableFields: {} } as const;

const ACCESS_MODES: Readonly<Record<string, string>> = { ReadWriteOnce: 'RWO', ReadOnlyMany: 'ROX', ReadWriteMany: 'RWX', ReadWriteOncePod: 'RWOP' };
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

function modesText(modes: readonly string[] | undefined): string {
  return Object.entries(ACCESS_MODES).filter(([mode]) => modes?.includes(mode)).map(([, short]) => short).join(',');
}

function validateModes(modes: readonly string[] | undefined): FieldError[] {
  if (modes === undefined || modes.length === 0) return [required('spec.accessModes', 'at least 1 access mode is required')];
  return modes.filter((mode) => ACCESS_MODES[mode] === undefined).map((mode) => notSupported('spec.accessModes', mode, Object.keys(ACCESS_MODES)));
}

const classOf = (object: KubeObject) => object.metadata.annotations?.[CLASS_ANNOTATION] ?? textAt(object, 'spec', 'storageClassName');

/** All but what the volume is. */
const VOLUME_FIELDS: ReadonlySet<string> = new Set([
  'accessModes', 'capacity', 'claimRef', 'mountOptions', 'nodeAffinity', 'persistentVolumeReclaimPolicy', 'storageClassName', 'volumeAttributesClassName', 'volumeMode',
]);

export const persistentVolumes: Kind = {
  ...plain,
  info: infoOf('persistentvolumes'),
  model: 'V1PersistentVolume',
  subresources: ['status'],
  prepareForCreate: (draft, { now }) => (draft['status'] = { phase: 'Pending', lastPhaseTransitionTime: now }),
  validate: (object) => {
    const { spec } = typed<PersistentVolume>(object);
    const errors = validateModes(spec?.accessModes);
    if (spec?.capacity?.['storage'] === undefined) errors.push(required('spec.capacity'));
    return errors;
  },
  validateUpdate: (object, old) => {
    const sourceOf = ({ spec }: PersistentVolume) => Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => !VOLUME_FIELDS.has(field)));
    const isSame = equalJson(sourceOf(typed<PersistentVolume>(object)), sourceOf(typed<PersistentVolume>(old)));
    return isSame ? [] : [forbiddenField('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')];
  },
  selectableFields: {},
  columns: [
    column('Capacity', (object) => textAt(object, 'spec', 'capacity', 'storage')),
    column('Access Modes', (object) => modesText(typed<PersistentVolume>(object).spec?.accessModes)),
    column('Reclaim Policy', (object) => textAt(object, 'spec', 'persistentVolumeReclaimPolicy')),
    column('Status', (object) => (object.metadata.deletionTimestamp === undefined ? textAt(object, 'status', 'phase') : 'Terminating')),
    column('Claim', (object) => {
      const { namespace = '', name = '' } = typed<PersistentVolume>(object).spec?.claimRef ?? {};
      return name === '' ? '' : `${namespace}/${name}`;
    }),
    column('StorageClass', classOf),
    column('VolumeAttributesClass', (object) => textAt(object, 'spec', 'volumeAttributesClassName') || '<unset>'),
    column('Reason', (object) => textAt(object, 'status', 'reason')),
    age,
    wide('VolumeMode', (object) => textAt(object, 'spec', 'volumeMode') || '<unset>'),
  ],
  hasAgeColumn: false,
};

export const persistentVolumeClaims: Kind = {
  ...plain,
  info: infoOf('persistentvolumeclaims'),
  model: 'V1PersistentVolumeClaim',
  subresources: ['status'],
  prepareForCreate: (draft) => (draft['status'] = { phase: 'Pending' }),
  validate: (object) => {
    const { spec } = typed<PersistentVolumeClaim>(object);
    const errors = validateModes(spec?.accessModes);
    if (spec?.resources?.requests?.['storage'] === undefined) errors.push(required('spec.resources[storage]'));
    return errors;
  },
  validateUpdate: (object, old) => {
    const isBound = typed<PersistentVolumeClaim>(old).status?.phase === 'Bound';
    // Who has no class may still be given the default one; what is bound may grow.
    const hadClass = typed<PersistentVolumeClaim>(old).spec?.storageClassName !== undefined;
    const fixed = ({ spec }: PersistentVolumeClaim) => {
      const { resources, volumeName: _volume, storageClassName, ...rest } = spec ?? {};
      return { ...rest, ...(isBound ? {} : { resources }), ...(hadClass ? { storageClassName } : {}), volumeAttributesClassName: undefined };
    };
    if (equalJson(fixed(typed<PersistentVolumeClaim>(object)), fixed(typed<PersistentVolumeClaim>(old)))) return [];
    return [forbiddenField('spec', 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims')];
  },
  columns: [
    column('Status', (object) => (object.metadata.deletionTimestamp === undefined ? textAt(object, 'status', 'phase') : 'Terminating')),
    column('Volume', (object) => textAt(object, 'spec', 'volumeName')),
    column('Capacity', (object) => (textAt(object, 'spec', 'volumeName') === '' ? '' : textAt(object, 'status', 'capacity', 'storage'))),
    column('Access Modes', (object) => (textAt(object, 'spec', 'volumeName') === '' ? '' : modesText(typed<PersistentVolumeClaim>(object).status?.accessModes))),
    column('StorageClass', classOf),
    column('VolumeAttributesClass', (object) => textAt(object, 'spec', 'volumeAttributesClassName') || '<unset>'),
    age,
    wide('VolumeMode', (object) => textAt(object, 'spec', 'volumeMode') || '<unset>'),
  ],
  hasAgeColumn: false,
};

export const storageClasses: Kind = {
  ...plain,
  info: infoOf('storageclasses'),
  model: 'V1StorageClass',
  validate: (object) => {
    const { reclaimPolicy = '', volumeBindingMode = '' } = typed<StorageClass>(object);
    const errors: FieldError[] = [];
    if (!['Delete', 'Retain'].includes(reclaimPolicy)) errors.push(notSupported('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']));
    const modes = ['Immediate', 'WaitForFirstConsumer'];
    if (!modes.includes(volumeBindingMode)) errors.push(notSupported('volumeBindingMode', volumeBindingMode, modes));
    return errors;
  },
  validateUpdate: (object, old) => ['provisioner', 'parameters', 'reclaimPolicy', 'volumeBindingMode'].flatMap((field) => immutableField(field, object[field], old[field])),
  nameText: (object) => object.metadata.name + (object.metadata.annotations?.[DEFAULT_CLASS] === 'true' ? ' (default)' : ''),
  columns: [
    column('Provisioner', (object) => textAt(object, 'provisioner')),
    column('ReclaimPolicy', (object) => textAt(object, 'reclaimPolicy')),
    column('VolumeBindingMode', (object) => textAt(object, 'volumeBindingMode')),
    column('AllowVolumeExpansion', (object) => textAt(object, 'allowVolumeExpansion') || 'false'),
  ],
};

export const csiDrivers: Kind = {
  ...plain,
  info: infoOf('csidrivers'),
  model: 'V1CSIDriver',
  columns: [
    column('AttachRequired', (object) => textAt(object, 'spec', 'attachRequired')),
    column('PodInfoOnMount', (object) => textAt(object, 'spec', 'podInfoOnMount')),
    column('StorageCapacity', (object) => textAt(object, 'spec', 'storageCapacity')),
    column('TokenRequests', (object) => typed<CSIDriver>(object).spec.tokenRequests?.map(({ audience }) => audience).join(',') || '<unset>'),
    column('RequiresRepublish', (object) => textAt(object, 'spec', 'requiresRepublish')),
    column('Modes', (object) => typed<CSIDriver>(object).spec.volumeLifecycleModes?.join(',') || '<none>'),
  ],
};

export const csiNodes: Kind = {
  ...plain,
  info: infoOf('csinodes'),
  model: 'V1CSINode',
  validateUpdate: (object, old) => {
    // What a driver has said of itself stays, while it is there.
    const now = new Map(typed<CSINode>(object).spec.drivers.map((driver) => [driver.name, driver]));
    const changed = typed<CSINode>(old).spec.drivers.filter((driver) => now.has(driver.name) && !equalJson({ ...now.get(driver.name), allocatable: undefined }, { ...driver, allocatable: undefined }));
    return changed.map(() => invalid('spec.drivers', typed<CSINode>(object).spec.drivers, IMMUTABLE));
  },
  columns: [column('Drivers', (object) => typed<CSINode>(object).spec.drivers.length)],
};

export const csiStorageCapacities: Kind = {
  ...plain,
  info: infoOf('csistoragecapacities'),
  model: 'V1CSIStorageCapacity',
  columns: [column('StorageClassName', (object) => textAt(object, 'storageClassName')), column('Capacity', (object) => textAt(object, 'capacity'))],
};

export const volumeAttachments: Kind = {
  ...plain,
  info: infoOf('volumeattachments'),
  model: 'V1VolumeAttachment',
  subresources: ['status'],
  columns: [
    column('Attacher', (object) => textAt(object, 'spec', 'attacher')),
    column('PV', (object) => textAt(object, 'spec', 'source', 'persistentVolumeName')),
    column('Node', (object) => textAt(object, 'spec', 'nodeName')),
    column('Attached', (object) => textAt(object, 'status', 'attached') || 'false'),
  ],
};

export const volumeAttributesClasses: Kind = {
  ...plain,
  info: infoOf('volumeattributesclasses'),
  model: 'V1VolumeAttributesClass',
  columns: [column('DriverName', (object) => shown(object, 'driverName'))],
};
