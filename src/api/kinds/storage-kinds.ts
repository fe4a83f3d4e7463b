/** Volumes, claims and what makes them: the core group's, and storage.k8s.io. */
import type { PersistentVolume, PersistentVolumeClaim } from 'kubernetes-types/core/v1.js';
import type { CSIDriver, CSINode, StorageClass, VolumeAttachment } from 'kubernetes-types/storage/v1.js';
import { type FieldError, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsSubdomain, checkQualifiedName } from '../../kube/names.ts';
import { parseQuantity } from '../../kube/quantity.ts';
import { validateSelector } from '../../kube/selector.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { checked, findDuplicates, IMMUTABLE, immutableField, oneOf } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, column, createdAt, shown, textAt, truth, wide, type Kind } from './kind.ts';

const plain = { subresources: [], hasGeneration: false, checkName: checkDnsSubdomain, selectableFields: {} } as const;

const ACCESS_MODES: Readonly<Record<string, string>> = { ReadWriteOnce: 'RWO', ReadOnlyMany: 'ROX', ReadWriteMany: 'RWX', ReadWriteOncePod: 'RWOP' };
const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

function modesText(modes: readonly string[] | undefined): string {
  return Object.entries(ACCESS_MODES).filter(([mode]) => modes?.includes(mode)).map(([, short]) => short).join(',');
}

function validateModes(modes: readonly string[] | undefined, detail = ''): FieldError[] {
  if (modes === undefined || modes.length === 0) return [required('spec.accessModes', detail)];
  const errors = modes.filter((mode) => ACCESS_MODES[mode] === undefined).map((mode) => notSupported('spec.accessModes', mode, Object.keys(ACCESS_MODES).sort()));
  if (modes.length > 1 && modes.includes('ReadWriteOncePod')) errors.push(forbiddenField('spec.accessModes', 'may not use ReadWriteOncePod with other access modes'));
  return errors;
}

const VOLUME_MODES = ['Block', 'Filesystem'];
/** What a volume's spec says besides where it comes from. */
const NO_SOURCES: ReadonlySet<string> = new Set(['claimRef', 'mountOptions', 'nodeAffinity', 'volumeAttributesClassName']);

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
    const { accessModes, capacity, persistentVolumeReclaimPolicy, volumeMode, storageClassName, ...rest } = typed<PersistentVolume>(object).spec ?? {};
    const errors = validateModes(accessModes);
    if (Object.keys(capacity ?? {}).length === 0) errors.push(required('spec.capacity'));
    if (capacity?.['storage'] === undefined) errors.push(notSupported('spec.capacity', capacity, ['storage']));
    errors.push(...oneOf('spec.persistentVolumeReclaimPolicy', persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']));
    const sources = Object.keys(rest).filter((field) => !NO_SOURCES.has(field));
    if (sources.length === 0) errors.push(required('spec', 'must specify a volume type'));
    sources.slice(1).forEach((source) => errors.push(forbiddenField(`spec.${source}`, 'may not specify more than 1 volume type')));
    if (storageClassName) errors.push(...checked('spec.storageClassName', storageClassName, checkDnsSubdomain(storageClassName)));
    return [...errors, ...oneOf('spec.volumeMode', volumeMode, VOLUME_MODES)];
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
    const { accessModes, selector, resources, storageClassName, volumeMode } = typed<PersistentVolumeClaim>(object).spec ?? {};
    const errors = validateModes(accessModes, 'at least 1 access mode is required');
    if (selector !== undefined) errors.push(...validateSelector(selector, 'spec.selector'));
    const size = resources?.requests?.['storage'];
    if (size === undefined) errors.push(required('spec.resources[storage]'));
    else if ((parseQuantity(size) ?? 0n) <= 0n) errors.push(invalid('spec.resources[storage]', size, 'must be greater than zero'));
    if (storageClassName) errors.push(...checked('spec.storageClassName', storageClassName, checkDnsSubdomain(storageClassName)));
    return [...errors, ...oneOf('spec.volumeMode', volumeMode, VOLUME_MODES)];
  },
  validateUpdate: (object, old) => {
    const [now, before] = [typed<PersistentVolumeClaim>(object), typed<PersistentVolumeClaim>(old)];
    // A claim that has its volume may ask for more; who has no class may still be given the default one.
    const isBound = before.status?.phase === 'Bound';
    const hadClass = before.spec?.storageClassName !== undefined;
    const fixed = ({ spec }: PersistentVolumeClaim) => {
      const { resources, volumeName: _volume, storageClassName, ...rest } = spec ?? {};
      const { requests: _requests, ...others } = resources ?? {};
      return { ...rest, resources: isBound ? others : resources, ...(hadClass ? { storageClassName } : {}), volumeAttributesClassName: undefined };
    };
    if (equalJson(fixed(now), fixed(before))) return [];
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
    const { provisioner, parameters = {}, reclaimPolicy, volumeBindingMode, allowedTopologies = [] } = typed<StorageClass>(object);
    const errors = provisioner === '' ? [required('provisioner')] : checked('provisioner', provisioner, checkQualifiedName(provisioner.toLowerCase()));
    if ('' in parameters) errors.push(invalid('parameters', '', 'field can not be empty.'));
    errors.push(...oneOf('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']), ...oneOf('volumeBindingMode', volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']));
    allowedTopologies.forEach(({ matchLabelExpressions = [] }, index) =>
      matchLabelExpressions.forEach(({ values }, place) => {
        if (values.length === 0) errors.push(required(`allowedTopologies[${index}].matchLabelExpressions[${place}].values`));
      }),
    );
    return errors;
  },
  validateUpdate: (object, old) => ['provisioner', 'parameters', 'reclaimPolicy', 'volumeBindingMode'].flatMap((field) => immutableField(field, object[field], old[field])),
  nameText: (object) => object.metadata.name + (object.metadata.annotations?.[DEFAULT_CLASS] === 'true' ? ' (default)' : ''),
  columns: [
    column('Provisioner', (object) => textAt(object, 'provisioner')),
    column('ReclaimPolicy', (object) => textAt(object, 'reclaimPolicy')),
    column('VolumeBindingMode', (object) => textAt(object, 'volumeBindingMode')),
    { ...truth('AllowVolumeExpansion', 'allowVolumeExpansion'), type: 'string' },
  ],
};

export const csiDrivers: Kind = {
  ...plain,
  info: infoOf('csidrivers'),
  model: 'V1CSIDriver',
  updatesNeedVersion: true,
  validate: (object) => {
    const { fsGroupPolicy, volumeLifecycleModes = [] } = typed<CSIDriver>(object).spec as { fsGroupPolicy?: string; volumeLifecycleModes?: readonly string[] };
    return [
      ...oneOf('spec.fsGroupPolicy', fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']),
      ...volumeLifecycleModes.flatMap((mode) => oneOf('spec.volumeLifecycleModes', mode, ['Persistent', 'Ephemeral'])),
    ];
  },
  columns: [
    truth('AttachRequired', 'spec', 'attachRequired'),
    truth('PodInfoOnMount', 'spec', 'podInfoOnMount'),
    truth('StorageCapacity', 'spec', 'storageCapacity'),
    column('TokenRequests', (object) => typed<CSIDriver>(object).spec.tokenRequests?.map(({ audience }) => audience).join(',') || '<unset>'),
    truth('RequiresRepublish', 'spec', 'requiresRepublish'),
    column('Modes', (object) => typed<CSIDriver>(object).spec.volumeLifecycleModes?.join(',') || '<none>'),
  ],
};

export const csiNodes: Kind = {
  ...plain,
  info: infoOf('csinodes'),
  model: 'V1CSINode',
  updatesNeedVersion: true,
  validate: (object) => findDuplicates(typed<CSINode>(object).spec.drivers.map(({ name }) => name), (index) => `spec.drivers[${index}].name`),
  validateUpdate: (object, old) => {
    // What a driver has said of itself stays, while it is there.
    const now = new Map(typed<CSINode>(object).spec.drivers.map((driver) => [driver.name, driver]));
    const changed = typed<CSINode>(old).spec.drivers.filter((driver) => now.has(driver.name) && !equalJson({ ...now.get(driver.name), allocatable: undefined }, { ...driver, allocatable: undefined }));
    return changed.map(() => invalid('spec.drivers', typed<CSINode>(object).spec.drivers, IMMUTABLE));
  },
  columns: [{ ...column('Drivers', (object) => typed<CSINode>(object).spec.drivers.length), type: 'integer' }],
};

export const csiStorageCapacities: Kind = {
  ...plain,
  info: infoOf('csistoragecapacities'),
  model: 'V1CSIStorageCapacity',
  updatesNeedVersion: true,
  validate: (object) => checked('storageClassName', textAt(object, 'storageClassName'), checkDnsSubdomain(textAt(object, 'storageClassName'))),
  columns: [createdAt],
  hasAgeColumn: false,
};

export const volumeAttachments: Kind = {
  ...plain,
  info: infoOf('volumeattachments'),
  model: 'V1VolumeAttachment',
  updatesNeedVersion: true,
  subresources: ['status'],
  validate: (object) => {
    const { attacher, nodeName, source } = typed<VolumeAttachment>(object).spec;
    const isOne = (source.persistentVolumeName === undefined) !== (source.inlineVolumeSpec === undefined);
    return [
      ...(isOne ? [] : [required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]),
      ...checked('spec.nodeName', nodeName, checkDnsSubdomain(nodeName)),
      ...(attacher === '' ? [required('spec.attacher')] : []),
    ];
  },
  columns: [
    { ...column('Attacher', (object) => textAt(object, 'spec', 'attacher')), format: 'name' },
    column('PV', (object) => textAt(object, 'spec', 'source', 'persistentVolumeName')),
    column('Node', (object) => textAt(object, 'spec', 'nodeName')),
    truth('Attached', 'status', 'attached'),
  ],
};

export const volumeAttributesClasses: Kind = {
  ...plain,
  info: infoOf('volumeattributesclasses'),
  model: 'V1VolumeAttributesClass',
  columns: [column('DriverName', (object) => shown(object, 'driverName'))],
};
