/** What the API server makes of JSON that stands for an object of a kind, a patch or a set of fields. */
import { assert } from '../../src/base/assert.ts';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { decodeConfig, decodeObject, draftNew, draftUpdate, planDeletion } from '../../src/api/core/draft.ts';
import { fromFieldsV1, members, formatPath, toFieldsV1 } from '../../src/api/core/field-set.ts';
import { applyConfig, trackUpdate } from '../../src/api/core/managed-fields.ts';
import { ANNOTATION, lastAppliedFields, readLastApplied } from '../../src/api/core/last-applied.ts';
import { jsonPatch, mergePatch, strategicPatch } from '../../src/api/core/patch.ts';
import { PatchProblem } from '../../src/api/core/patch-problem.ts';
import { threeWayPatch } from '../../src/api/core/strategic-diff.ts';
import { decodeStored, encodeStored } from '../../src/api/storage.ts';
import { builtInKinds } from '../../src/api/kinds/kinds.ts';
import { apiVersionOf } from '../../src/kube/resources.ts';
import { matchesLabels } from '../../src/kube/selector.ts';
import { cloneJson, equalJson, isRecord, type KubeObject } from '../../src/kube/types.ts';
import { assertUnpolluted, refusesAsClient } from './api-targets.ts';
import { mutateJson } from './mutate-json.ts';
import { KeyValue } from '../../src/proto/etcd.ts';
import { refuses, type FuzzTarget } from './target.ts';

const KINDS = builtInKinds({ evictionTolerationSeconds: 300 });
const NOW = '2026-01-01T00:00:00Z';
const json = (value: unknown) => fromUtf8(JSON.stringify(value));

const podSpec = {
  containers: [{ name: 'main', image: 'web:1', env: [{ name: 'A', value: '1' }], ports: [{ containerPort: 80, protocol: 'TCP' }], resources: { limits: { cpu: '100m', memory: '64Mi' } }, livenessProbe: { httpGet: { port: 'http' } } }],
  tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }],
  volumes: [{ name: 'v', configMap: { name: 'c' } }],
};
const template = { metadata: { labels: { app: 'web' } }, spec: podSpec };
const workload = { replicas: 2, selector: { matchLabels: { app: 'web' } }, template };
const SPECS: Readonly<Record<string, object>> = {
  Pod: { spec: podSpec },
  Deployment: { spec: { ...workload, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } } } },
  StatefulSet: { spec: { ...workload, serviceName: 'web' } },
  Job: { spec: { template: { spec: { ...podSpec, restartPolicy: 'Never' } }, completions: 1 } },
  Service: { spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http', nodePort: 30080 }], type: 'NodePort' } },
  ConfigMap: { data: { a: '1' }, binaryData: { b: 'cQ==' } },
  Ingress: { spec: { rules: [{ host: 'a', http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }] } }] } },
  ReplicaSet: { spec: workload },
  DaemonSet: { spec: { ...workload, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } } } },
  ReplicationController: { spec: { selector: { app: 'web' }, template } },
  PodTemplate: { template },
  CronJob: { spec: { schedule: '*/5 * * * 1-5', jobTemplate: { spec: { template: { spec: { ...podSpec, restartPolicy: 'OnFailure' } } } } } },
  Secret: { type: 'kubernetes.io/basic-auth', stringData: { username: 'u' }, data: { password: 'cQ==' } },
  Node: { spec: { podCIDR: '10.0.0.0/24', taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }] }, status: { capacity: { cpu: '4' } } },
  Namespace: { spec: {} },
  Endpoints: { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
  EndpointSlice: { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ name: 'a', port: 80 }] },
  LimitRange: { spec: { limits: [{ type: 'Container', max: { cpu: '2' }, min: { cpu: '100m' }, default: { cpu: '1' } }] } },
  ResourceQuota: { spec: { hard: { pods: '10', 'requests.cpu': '4' }, scopes: ['NotTerminating'], scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['a'] }] } } },
  PersistentVolume: { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/a' } } },
  PersistentVolumeClaim: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, selector: { matchLabels: { a: 'b' } } } },
  StorageClass: { provisioner: 'a.b/c', parameters: { a: 'b' }, allowedTopologies: [{ matchLabelExpressions: [{ key: 'a', values: ['b'] }] }] },
  CSINode: { spec: { drivers: [{ name: 'a', nodeID: 'b', topologyKeys: ['c'] }] } },
  CSIDriver: { spec: { volumeLifecycleModes: ['Persistent'] } },
  VolumeAttachment: { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'v' } } },
  NetworkPolicy: { spec: { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80, endPort: 90 }] }], egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }] } },
  Role: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  RoleBinding: { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' }, subjects: [{ kind: 'User', name: 'u' }, { kind: 'ServiceAccount', name: 's', namespace: 'n' }] },
  PodDisruptionBudget: { spec: { minAvailable: '50%', selector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] } } },
  HorizontalPodAutoscaler: { spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }] } },
  CertificateSigningRequest: { spec: { request: Buffer.from('-----BEGIN CERTIFICATE REQUEST-----').toString('base64'), signerName: 'a.b/c', usages: ['client auth'] } },
  Event: { involvedObject: { kind: 'Pod', name: 'a' }, reason: 'r', message: 'm', count: 1, firstTimestamp: NOW },
};

/** One of each kind, most of them bare: what is missing is refused, and never by a TypeError. */
const SEEDS = KINDS.filter(({ view }) => view === undefined).map(({ info }) => ({ apiVersion: apiVersionOf(info), kind: info.kind, metadata: { name: 'a', labels: { a: 'b' }, annotations: {} }, ...(SPECS[info.kind] ?? { spec: {} }) }));

const objects: FuzzTarget = {
  name: 'object',
  seeds: async () => SEEDS.filter(({ kind }) => kind in SPECS).map(json),
  damage: mutateJson,
  run(bytes) {
    const body: unknown = JSON.parse(toUtf8(bytes));
    const kind = KINDS.find(({ info }) => isRecord(body) && info.kind === body['kind'] && apiVersionOf(info) === body['apiVersion']) ?? KINDS[0]!;
    try {
      decodeConfig(kind, body, 'Warn');
      const { object } = decodeObject(kind, body, 'Ignore');
      const namespace = kind.info.namespaced ? 'default' : '';
      const stored = draftNew(kind, object, { name: object.metadata.name, namespace, uid: 'u', now: NOW });
      for (const column of kind.columns) column.value(stored, 0);
      kind.warnings?.(stored);
      // What was accepted is accepted again as it is; what was sent may lack what the server has put in.
      assert(equalJson(draftUpdate(kind, stored, stored, { part: 'object', now: NOW }), stored), 'an update without a change changes nothing');
      try {
        draftUpdate(kind, object, stored, { part: 'object', now: NOW });
      } catch (error) {
        refusesAsClient(error, 422);
      }
      return true;
    } catch (error) {
      return refusesAsClient(error, 400, 403, 422);
    } finally {
      assertUnpolluted();
    }
  },
};

const live = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a', labels: { a: 'b' }, finalizers: ['f/1'] }, spec: workload };

const patches: FuzzTarget = {
  name: 'patch',
  seeds: async () =>
    [
      { spec: { replicas: 3, template: { spec: { containers: [{ name: 'main', image: 'web:2' }, { name: 'x', $patch: 'delete' }], $retainKeys: ['containers'] } } } },
      { metadata: { labels: { a: null }, '$deleteFromPrimitiveList/finalizers': ['f/1'], '$setElementOrder/finalizers': ['f/2'], finalizers: ['f/2'] } },
      [
        { op: 'test', path: '/spec/replicas', value: 2 },
        { op: 'add', path: '/spec/template/spec/containers/-', value: { name: 'x' } },
        { op: 'move', from: '/metadata/labels/a', path: '/metadata/labels/c~1d' },
        { op: 'copy', from: '/spec', path: '/other' },
        { op: 'replace', path: '/kind', value: 'x' },
        { op: 'remove', path: '/other' },
      ],
    ].map(json),
  damage: mutateJson,
  run(bytes) {
    const patch: unknown = JSON.parse(toUtf8(bytes));
    const before = cloneJson(live);
    mergePatch(live, patch);
    const results = Array.isArray(patch) ? [jsonPatch(live, patch)] : [strategicPatch('V1Deployment', live, patch)];
    assert(equalJson(before, live), 'what is patched is not changed');
    assertUnpolluted();
    return results.every(({ ok }) => ok);
  },
};

const fields: FuzzTarget = {
  name: 'managed-fields',
  seeds: async () =>
    [
      [{ manager: 'm', operation: 'Update', apiVersion: 'apps/v1', time: NOW, fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': { 'f:replicas': {}, 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"main"}': { '.': {}, 'f:image': {} } } } } }, 'f:metadata': { 'f:finalizers': { '.': {}, 'v:"f/1"': {} } } } }],
      [{ manager: 'a', operation: 'Apply', apiVersion: 'apps/v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:metadata': { 'f:labels': { 'f:a': {} } } } }],
    ].map(json),
  damage: mutateJson,
  run(bytes) {
    const managedFields = JSON.parse(toUtf8(bytes)); // whatever it is
    const current = { ...cloneJson(live), metadata: { ...live.metadata, managedFields } } as KubeObject;
    const writer = { manager: 'w', apiVersion: 'apps/v1', subresource: '', now: NOW };
    const model = 'V1Deployment';
    const after = { ...cloneJson(live), spec: { ...workload, replicas: 9 } };
    try {
      const tracked = trackUpdate({ model, before: current, after, sent: managedFields, hasStatus: true }, writer);
      for (const entry of tracked ?? []) {
        const set = fromFieldsV1(entry.fieldsV1);
        assert(set !== undefined && equalJson(toFieldsV1(set), entry.fieldsV1), 'fields are read as they were written');
        members(set).map(formatPath);
      }
      applyConfig({ model, current, config: after, force: true, hasStatus: true }, writer);
      // What cannot be read counts as nobody's.
      return tracked !== undefined;
    } catch (error) {
      return refusesAsClient(error, 400, 409);
    } finally {
      assertUnpolluted();
    }
  },
};

/** Anybody may write into a store: what is no object is told by its key, what is taken for one can be listed. */
const stored: FuzzTarget = {
  name: 'stored-object',
  seeds: async () => SEEDS.filter(({ kind }) => kind in SPECS).map((object) => json({ ...object, metadata: { ...object.metadata, namespace: 'a', uid: 'u', finalizers: ['f/1'], ownerReferences: [{ uid: 'o' }] } })),
  damage: (seed, random) => (random.chance(0.7) ? mutateJson(seed, random) : undefined),
  run(bytes) {
    const key = '/registry/core/pods/a/a';
    let object: KubeObject;
    try {
      ({ object } = decodeStored({ ...KeyValue.decode(new Uint8Array()), key: fromUtf8(key), value: bytes, modRevision: 7 }));
    } catch (error) {
      assert(error instanceof Error && error.message.includes(key), 'the key is named');
      return refusesAsClient(error, 500);
    } finally {
      assertUnpolluted();
    }
    matchesLabels([{ key: 'a', operator: 'In', values: ['b'] }], object.metadata.labels);
    planDeletion(KINDS[0]!, object, { gracePeriodSeconds: undefined, propagationPolicy: 'Foreground', wallMs: 0, formatTime: () => NOW });
    encodeStored(object);
    lastAppliedFields('V1Deployment', object);
    return true;
  },
};

/** What client-side apply remembers is an annotation, which anybody may write. */
const lastApplied: FuzzTarget = {
  name: 'last-applied',
  seeds: async () => [json(live), json({ ...live, spec: { replicas: 3, template: { spec: { containers: [{ name: 'main' }, { name: 'x', env: [{ name: 'A' }] }] } } } })],
  damage: (seed, random) => (random.chance(0.7) ? mutateJson(seed, random) : undefined),
  run(bytes) {
    const object = { ...cloneJson(live), metadata: { ...live.metadata, annotations: { [ANNOTATION]: toUtf8(bytes) } } };
    const original = readLastApplied(object);
    lastAppliedFields('V1Deployment', object);
    try {
      const patch = threeWayPatch({ model: 'V1Deployment', original, modified: live, current: object });
      const patched = strategicPatch('V1Deployment', object, patch);
      assert(!patched.ok || isRecord(patched.value), 'an object stays one');
      return original !== undefined;
    } catch (error) {
      return refuses(error, PatchProblem);
    } finally {
      assertUnpolluted();
    }
  },
};

export const OBJECT_TARGETS: readonly FuzzTarget[] = [objects, patches, fields, stored, lastApplied];
